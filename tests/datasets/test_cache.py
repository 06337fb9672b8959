"""The cache: written whole or not at all, and never believed blindly."""

import gzip
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae.datasets import (
    _cache,
    clear_data_home,
    fetch_ecg5000,
    fetch_fashion_mnist,
    fetch_mnist,
    get_data_home,
)
from skae.datasets._cache import content_digest
from tests.datasets._formats import to_idx, to_ucr, to_zip

NPY = b"\\x93NUMPY\\x01\\x00\\x38\\x00{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}\\n"
QUICK = {"n_retries": 0, "delay": 0.0}


def files_below(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def expect_nothing_cached(fetch, data_home, match, **options):
    with pytest.raises(OSError, match=match):
        fetch(data_home=data_home, **(QUICK | options))
    assert files_below(data_home) == []


# The folder


def test_data_home_is_argument_then_variable_then_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    monkeypatch.setenv("SKAE_DATA", str(tmp_path / "variable"))
    assert get_data_home(tmp_path / "argument") == str(tmp_path / "argument")
    assert get_data_home("~/own") == str(tmp_path / "ada" / "own")
    assert get_data_home() == str(tmp_path / "variable")
    monkeypatch.delenv("SKAE_DATA")
    assert get_data_home() == str(tmp_path / "ada" / "skae_data")
    assert (tmp_path / "ada" / "skae_data").is_dir()


def test_layout_of_the_cache(images, beats, data_home):
    fetch_mnist(data_home=data_home)
    fetch_fashion_mnist(data_home=data_home)
    fetch_ecg5000(data_home=data_home)
    assert files_below(data_home) == [
        Path("ecg5000/ecg5000.npz"),
        Path("fashion_mnist/fashion_mnist.npz"),
        Path("mnist/mnist.npz"),
    ]
    with np.load(data_home / "ecg5000" / "ecg5000.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == sorted(beats)
        assert all(archive[key].dtype == beats[key].dtype for key in beats)
        assert_array_equal(archive["X"], beats["X"])
    with np.load(data_home / "mnist" / "mnist.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == sorted(images)
        assert_array_equal(archive["x_test"], images["x_test"])


def test_the_second_call_asks_nobody(images, server, data_home):
    fetch_mnist(data_home=data_home)
    assert len(server.requests) == 4
    fetch_mnist(data_home=data_home, download_if_missing=False)
    assert len(server.requests) == 4


def test_the_variable_finds_the_cache(images, server, data_home, monkeypatch):
    fetch_mnist(data_home=data_home)
    monkeypatch.setenv("SKAE_DATA", str(data_home))
    fetch_mnist(download_if_missing=False)


def test_clearing_deletes_what_skae_wrote_and_nothing_else(images, data_home):
    fetch_mnist(data_home=data_home)
    fetch_fashion_mnist(data_home=data_home)
    left_by_a_killed_process = data_home / "mnist" / "mnist.npz.0123.part"
    left_by_a_killed_process.write_bytes(b"")
    (data_home / "thesis.tex").write_text("years of work")
    clear_data_home(data_home)
    assert [path.name for path in data_home.iterdir()] == ["thesis.tex"]
    (data_home / "thesis.tex").unlink()
    clear_data_home(data_home)
    assert not data_home.exists()
    clear_data_home(data_home)


def test_cached_files_have_the_permissions_of_any_new_file(images, data_home, tmp_path):
    fetch_mnist(data_home=data_home)
    (tmp_path / "other").write_text("")
    mode = (data_home / "mnist" / "mnist.npz").stat().st_mode
    assert mode == (tmp_path / "other").stat().st_mode


# Downloads that fail


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
    expect_nothing_cached(fetch_mnist, data_home, "do not hold the expected data")
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


# A cache that fails


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 cut", b"<html>", b"\x93NUMPY", NPY],
    ids=["empty", "cut", "html", "npy header", "npy"],
)
def test_an_unreadable_cached_file_is_named(images, server, data_home, content):
    path = data_home / "mnist" / "mnist.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(OSError, match=rf"The cached file {path} can't be read .* Delete it"):
        fetch_mnist(data_home=data_home)
    assert path.read_bytes() == content
    assert server.requests == []


@pytest.mark.parametrize("at", [300, -500])
def test_a_garbled_cached_file_is_named(images, data_home, at):
    fetch_mnist(data_home=data_home)
    path = data_home / "mnist" / "mnist.npz"
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(OSError, match=rf"{path} .* Delete it"):
        fetch_mnist(data_home=data_home)


def test_a_truncated_cached_file_is_named(images, data_home):
    fetch_mnist(data_home=data_home)
    path = data_home / "mnist" / "mnist.npz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(OSError, match=rf"{path} can't be read"):
        fetch_mnist(data_home=data_home)


def test_pickles_in_the_cache_are_not_loaded(images, data_home):
    path = data_home / "mnist" / "mnist.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, x_train=np.array([{}], dtype=object))
    with pytest.raises(OSError, match="can't be read"):
        fetch_mnist(data_home=data_home)


@pytest.mark.parametrize("change", ["value", "dtype", "shape", "missing", "more"])
def test_a_cached_file_with_other_data_is_named(images, data_home, change):
    fetch_mnist(data_home=data_home)
    path = data_home / "mnist" / "mnist.npz"
    arrays = {key: values.copy() for key, values in images.items()}
    if change == "value":
        arrays["x_test"][0, 0, 0] ^= 1
    elif change == "dtype":
        arrays["y_test"] = arrays["y_test"].astype(np.int8)
    elif change == "shape":
        arrays["x_test"] = arrays["x_test"].reshape(3, 784)
    elif change == "missing":
        del arrays["y_test"]
    else:
        arrays["extra"] = np.zeros(1)
    np.savez(path, **arrays)
    with pytest.raises(OSError, match=rf"{path} does not hold the expected data .*Delete it"):
        fetch_mnist(data_home=data_home)


def test_a_folder_that_cannot_be_made(images, server, tmp_path):
    (tmp_path / "file").write_text("")
    for call in (fetch_mnist, get_data_home):
        with pytest.raises(OSError, match=r"cache folder .*file.* can't be written .*SKAE_DATA"):
            call(data_home=tmp_path / "file" / "cache")
    assert server.requests == []


def test_a_read_only_cache_is_known_before_the_download(images, server, data_home, monkeypatch):
    # Not by permissions: whoever runs the tests as root may write everywhere.
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    expect_nothing_cached(fetch_mnist, data_home, r"can't be written .*Permission denied")
    assert server.requests == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_without_permission_to_write(images, data_home):
    fetch_mnist(data_home=data_home)
    for folder in (data_home / "mnist", data_home):
        folder.chmod(0o555)
    fetch_mnist(data_home=data_home)
    with pytest.raises(OSError, match="can't be written"):
        fetch_fashion_mnist(data_home=data_home)
    for folder in (data_home, data_home / "mnist"):
        folder.chmod(0o755)


def test_parallel_callers_all_get_the_data(images, data_home):
    n_callers = 8
    barrier, results = threading.Barrier(n_callers), []

    def call():
        barrier.wait()
        results.append(fetch_mnist(data_home=data_home, return_X_y=True)[0])

    threads = [threading.Thread(target=call) for _ in range(n_callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == n_callers
    for X in results:
        assert_array_equal(X[:6], images["x_train"].reshape(6, 784))
    assert files_below(data_home) == [Path("mnist/mnist.npz")]


# The digest


def test_digest_depends_on_values_not_on_memory():
    values = np.arange(6.0).reshape(2, 3)
    digest = content_digest({"a": values, "b": values})
    assert digest == content_digest({"b": values, "a": np.asfortranarray(values)})
    assert digest == content_digest({"a": values.astype(">f8"), "b": values})
    assert digest != content_digest({"a": values, "c": values})
    assert digest != content_digest({"a": values, "b": values.astype("f4")})
    assert digest != content_digest({"a": values, "b": values.reshape(3, 2)})
    assert digest != content_digest({"a": values, "b": -values})


def test_the_default_folder_is_in_the_users_home():
    assert _cache.DEFAULT_DATA_HOME == "~/skae_data"
