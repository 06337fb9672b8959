"""What serves an ONNX file: the scorer of the guide and the service of the examples."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from tests._scripts import run
from tests.conventions._source import ROOT
from tests.onnx._sessions import detector, to_onnx


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return a fitted detector, samples, and the detector's ONNX file."""
    X = np.random.default_rng(0).normal(size=(60, 4))
    fitted = detector(calibration="held_out", validation_split=0.5).fit(X)
    path = tmp_path_factory.mktemp("onnx") / "detector.onnx"
    path.write_bytes(to_onnx(fitted, X[:1]).SerializeToString())
    return fitted, np.concatenate([X, 3 * X]), path


def test_the_scorer_of_the_guide_needs_onnxruntime_alone(served):
    fitted, X, path = served
    page = (ROOT / "docs/user_guide/onnx.rst").read_text(encoding="utf-8")
    block = page.split(".. code-block:: python\n")[1].split("``examples")[0]
    scorer = textwrap.dedent(block)
    code = f"""{scorer}
import json, sys
X = {X.tolist()}
labels, = Scorer({str(path)!r})(X, "label").values()
moved = Scorer({str(path)!r}, threshold=-1.0)(X)
heavy = {{"skae", "sklearn", "tensorflow", "keras", "pandas", "scipy"}} & set(sys.modules)
print(json.dumps([labels.tolist(), set(moved["label"].tolist()) == {{-1}}, sorted(heavy)]))
"""
    labels, is_moved, heavy = json.loads(run(code).stdout)
    assert labels == fitted.predict(X).tolist()
    assert is_moved
    assert heavy == []


@pytest.fixture(scope="module")
def address(served):
    """Return where the service listens."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "examples/serve_onnx.py", str(served[2]), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                assert process.poll() is None, process.stderr.read()
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=5).close()
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.communicate(timeout=20)


def post(url, **body):
    request = urllib.request.Request(
        f"{url}/score",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_the_service_answers_as_the_detector_does(served, address):
    fitted, X, _ = served
    answer = post(address, rows=X.tolist())
    assert answer["label"] == fitted.predict(X).tolist()
    np.testing.assert_allclose(answer["score"], fitted.score_samples(X), rtol=1e-6)
    np.testing.assert_allclose(answer["p_value"], fitted.p_values(X))
    assert np.shape(answer["errors"]) == X.shape
    assert set(post(address, rows=X.tolist(), threshold=-1.0)["label"]) == {-1}


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [], [["a", 1, 2, 3]]])
def test_the_service_refuses_other_rows(rows, address):
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(address, rows=rows)
    assert caught.value.code == 422
    caught.value.close()
