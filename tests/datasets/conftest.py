"""Small data sets in the official formats, and a server on 127.0.0.1 that has them."""

import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from skae.datasets import _download, _sources
from skae.datasets._cache import content_digest
from tests.datasets._formats import to_idx, to_ucr, to_zip


class Server:
    """Serves `files` by path; `requests` are the paths asked for, `cut` the bytes held back."""

    def __init__(self):
        self.files, self.requests, self.cut, self.failures = {}, [], 0, 0
        self.pause = 0.0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.requests.append(self.path)
                content = owner.files.get(self.path.lstrip("/"))
                if content is None or owner.failures > 0:
                    owner.failures -= 1
                    self.send_error(404 if content is None else 503)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                content = content[: len(content) - owner.cut]
                pieces = [content[:20], content[20:40], content[40:]] if owner.pause else [content]
                for piece in pieces:
                    self.wfile.write(piece)
                    time.sleep(owner.pause)

            def log_message(self, *args):
                """Keep the output of the tests clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def draw_images():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, size=(6, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, size=6, dtype=np.uint8),
        "x_test": rng.integers(0, 256, size=(3, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, size=3, dtype=np.uint8),
    }


def draw_beats():
    y_class = np.array([1, 2, 1, 5, 1, 3, 4], dtype=np.uint8)
    return {
        "X": np.random.default_rng(1).normal(size=(7, 140)).astype(np.float32),
        "y": (y_class == 1).astype(np.uint8),
        "y_class": y_class,
        "is_ucr_train": np.arange(7) < 2,
    }


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SKAE_DATA", str(tmp_path / "elsewhere"))
    return tmp_path / "cache"


@pytest.fixture
def sources(server, monkeypatch):
    """Point every source to the server, which has nothing yet."""
    monkeypatch.setattr(_download, "SILENCE_SECONDS", 5.0)
    for name, source in list(_sources.SOURCES.items()):
        monkeypatch.setitem(_sources.SOURCES, name, replace(source, mirrors=(server.url,)))
    return _sources.SOURCES


@pytest.fixture
def images(server, sources, monkeypatch):
    """The arrays that both image sources serve."""
    arrays = draw_images()
    for name, key in zip(_sources.IDX_FILES, arrays, strict=True):
        server.files[name] = to_idx(arrays[key])
    for name in ("mnist", "fashion_mnist"):
        monkeypatch.setitem(sources, name, replace(sources[name], sha256=content_digest(arrays)))
    return arrays


@pytest.fixture
def beats(server, sources, monkeypatch):
    """The arrays that the source of heartbeats serves."""
    arrays = draw_beats()
    train = arrays["is_ucr_train"]
    server.files["ECG5000.zip"] = to_zip(
        ECG5000_TRAIN=to_ucr(arrays["X"][train], arrays["y_class"][train]),
        ECG5000_TEST=to_ucr(arrays["X"][~train], arrays["y_class"][~train]),
    )
    # Seven digits after the point, as in the archive, are not always the float they came from.
    arrays["X"] = np.array([[float(f"{v:.7e}") for v in row] for row in arrays["X"]], "f4")
    monkeypatch.setitem(
        sources, "ecg5000", replace(sources["ecg5000"], sha256=content_digest(arrays))
    )
    return arrays
