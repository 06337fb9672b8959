"""The cache is written completely or not at all, and verified when read."""

import os
import tempfile
import threading
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


def test_the_second_call_downloads_nothing(images, server, data_home):
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
    left_by_a_killed_process.mkdir()
    (left_by_a_killed_process / "mnist.npz").write_bytes(b"")
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

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
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
