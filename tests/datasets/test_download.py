"""Failed downloads leave no files, say why, and end in bounded time and memory."""

import gzip
import logging
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from skae.datasets import _download, fetch_ecg5000, fetch_mnist
from tests.datasets._formats import to_idx, to_ucr, to_zip
from tests.datasets.test_cache import QUICK, expect_nothing_cached, files_below


def test_missing_data_without_download_say_what_to_do(server, sources, data_home):
    with pytest.raises(OSError, match=r"mnist\.npz does not exist and .*SKAE_DATA"):
        fetch_mnist(data_home=data_home, download_if_missing=False)
    assert server.requests == []
    assert not data_home.exists()


def test_no_network(images, server, data_home):
    server.close()
    match = r"Could not download train-images-idx3-ubyte.gz \(2 attempts\)[\s\S]*Connection refused"
    expect_nothing_cached(fetch_mnist, data_home, match, n_retries=1)


def test_a_missing_file_names_its_address(sources, server, data_home):
    match = rf"{server.url}ECG5000.zip: HTTPError: HTTP Error 404"
    expect_nothing_cached(fetch_ecg5000, data_home, match)


def test_retries_and_says_so_in_the_log(images, server, data_home, caplog):
    server.failures = 2
    with caplog.at_level(logging.INFO, logger="skae.datasets"):
        fetch_mnist(data_home=data_home, n_retries=2, delay=0.0)
    assert len(server.requests) == 6
    assert "HTTP Error 503" in caplog.text


def test_the_second_mirror_is_tried(images, server, sources, data_home, monkeypatch):
    mirrors = (server.url + "gone/", server.url)
    monkeypatch.setitem(sources, "mnist", replace(sources["mnist"], mirrors=mirrors))
    fetch_mnist(data_home=data_home, **QUICK)
    assert server.requests[:2] == [
        "/gone/train-images-idx3-ubyte.gz",
        "/train-images-idx3-ubyte.gz",
    ]


def test_only_http_is_fetched(sources, data_home, monkeypatch):
    source = replace(sources["mnist"], mirrors=("file:///etc/",))
    monkeypatch.setitem(sources, "mnist", source)
    with pytest.raises(ValueError, match="Only http and https addresses"):
        fetch_mnist(data_home=data_home, **QUICK)
    assert files_below(data_home) == []


def test_a_connection_that_ends_early(images, server, data_home):
    server.cut = 10
    expect_nothing_cached(fetch_mnist, data_home, r"IncompleteRead.*10 more expected")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-30], id="cut"),
        pytest.param(lambda content: content[: len(content) // 2] + content[:100], id="garbled"),
        pytest.param(lambda content: b"<html>log in first</html>", id="html"),
        pytest.param(lambda content: b"", id="empty"),
    ],
)
@pytest.mark.parametrize(
    ("fetch", "name"),
    [(fetch_mnist, "t10k-images-idx3-ubyte.gz"), (fetch_ecg5000, "ECG5000.zip")],
)
@pytest.mark.usefixtures("images", "beats")
def test_damaged_files(server, data_home, fetch, name, damage):
    server.files[name] = damage(server.files[name])
    expect_nothing_cached(fetch, data_home, f"The downloaded {name} can't be read")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (to_idx(np.zeros((2, 3), dtype=np.uint8))[:-9], "can't be read"),
        (gzip.compress(b"\x00\x00\x0d\x01\x00\x00\x00\x01....."), "not as an idx"),
        (gzip.compress(b"\x00\x00\x08"), "not as an idx file"),
        (
            gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x09...."),
            r"announces the shape \(9,\) but holds 4 values",
        ),
    ],
    # The bytes hold the second of their making, and workers must agree on the names of tests.
    ids=["cut off", "other type", "cut header", "too few values"],
)
def test_files_that_are_not_idx(images, server, data_home, content, match):
    server.files["train-labels-idx1-ubyte.gz"] = content
    expect_nothing_cached(fetch_mnist, data_home, match)


def test_a_zip_without_the_series(beats, server, data_home):
    server.files["ECG5000.zip"] = to_zip(README="nothing here")
    expect_nothing_cached(fetch_ecg5000, data_home, "no member ECG5000_TRAIN.txt, only")


def test_a_zip_with_text_for_numbers(beats, server, data_home):
    server.files["ECG5000.zip"] = to_zip(ECG5000_TRAIN="1 a b", ECG5000_TEST="1 c d")
    expect_nothing_cached(fetch_ecg5000, data_home, "could not convert string")


def test_well_formed_files_with_other_content(images, beats, server, data_home):
    server.files["train-labels-idx1-ubyte.gz"] = to_idx(images["y_train"][::-1])
    expect_nothing_cached(fetch_mnist, data_home, "does not hold the expected data")
    server.files["ECG5000.zip"] = to_zip(
        ECG5000_TRAIN=to_ucr(beats["X"][:2], [1, 2]), ECG5000_TEST=to_ucr(beats["X"][2:], [1] * 5)
    )
    expect_nothing_cached(fetch_ecg5000, data_home, "source has changed or the download")


def test_an_interrupt_leaves_nothing(images, data_home, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(data_home=data_home)
    assert files_below(data_home) == []


def test_a_full_disk_leaves_nothing(images, data_home, monkeypatch):
    def fill(stream, **kwargs):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fill)
    expect_nothing_cached(fetch_mnist, data_home, "No space left")


# Bounds


@pytest.mark.parametrize("fetch", [fetch_mnist, fetch_ecg5000])
def test_what_decompresses_to_far_more_than_expected_is_refused(
    images, beats, server, sources, data_home, monkeypatch, fetch
):
    size, blanks = 2**26, b" " * 2**26
    server.files["train-images-idx3-ubyte.gz"] = gzip.compress(blanks, compresslevel=1)
    server.files["ECG5000.zip"] = to_zip(ECG5000_TRAIN=blanks, ECG5000_TEST="1 2")
    small = dict.fromkeys(sources["mnist"].files, size // 64)
    monkeypatch.setitem(sources, "mnist", replace(sources["mnist"], files=small))
    monkeypatch.setitem(
        sources, "ecg5000", replace(sources["ecg5000"], files={"ECG5000.zip": size // 64})
    )
    tracemalloc.start()
    expect_nothing_cached(fetch, data_home, "can't be read: it has more than 4 times")
    assert tracemalloc.get_traced_memory()[1] < size / 2
    tracemalloc.stop()


def test_a_download_of_far_more_than_expected_is_refused(images, server, sources, data_home):
    server.files["t10k-labels-idx1-ubyte.gz"] = b"x" * 100_000
    expect_nothing_cached(fetch_mnist, data_home, "more than 4 times the 10008 bytes")


def test_a_cached_file_of_far_more_than_expected_is_refused(images, sources, data_home):
    path = data_home / "mnist" / "mnist.npz"
    path.parent.mkdir(parents=True)
    size = 5 * sum(sources["mnist"].files.values())
    np.savez_compressed(path, x_train=np.zeros(size, np.uint8))
    tracemalloc.start()
    with pytest.raises(OSError, match=rf"{path} can't be read .*more than 4 times.* Delete it"):
        fetch_mnist(data_home=data_home)
    assert tracemalloc.get_traced_memory()[1] < size / 10
    tracemalloc.stop()


def test_a_slow_download_ends(images, server, data_home, monkeypatch):
    server.pause = 0.2
    monkeypatch.setattr(_download, "DOWNLOAD_SECONDS", 0.1)
    expect_nothing_cached(fetch_mnist, data_home, "not complete after 0.1 seconds")


def test_a_silent_server_is_left(images, server, data_home, monkeypatch):
    server.pause = 1.0
    monkeypatch.setattr(_download, "SILENCE_SECONDS", 0.1)
    expect_nothing_cached(fetch_mnist, data_home, "timed out")
