"""The return values of the fetchers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skae.datasets import fetch_ecg5000, fetch_fashion_mnist, fetch_mnist
from tests.datasets._formats import to_ucr, to_zip

FETCH_IMAGES = [fetch_mnist, fetch_fashion_mnist]


def test_ecg5000_has_labels_in_scikit_learns_convention(beats, data_home):
    ecg = fetch_ecg5000(data_home=data_home)
    assert_array_equal(ecg.data, beats["X"])
    assert ecg.data.dtype == np.float32
    assert_array_equal(ecg.target, [1, -1, 1, -1, 1, -1, -1])
    assert_array_equal(ecg.target_class, beats["y_class"])
    assert_array_equal(ecg.is_ucr_train, beats["is_ucr_train"])
    assert ecg.class_names.shape == (5,)
    assert ecg.frame is None
    assert len(ecg.feature_names) == 140
    assert "chf07" in ecg.DESCR


@pytest.mark.parametrize(("subset", "rows"), [("train", slice(2)), ("test", slice(2, None))])
def test_ecg5000_parts(beats, data_home, subset, rows):
    ecg = fetch_ecg5000(data_home=data_home, subset=subset)
    assert_array_equal(ecg.data, beats["X"][rows])
    assert_array_equal(ecg.target_class, beats["y_class"][rows])
    assert set(ecg.is_ucr_train) == {subset == "train"}


def test_ucr_archives_with_a_folder_inside_are_read(beats, data_home, server):
    members = {
        f"folder/ECG5000_{part}": to_ucr(beats["X"][rows], beats["y_class"][rows])
        for part, rows in {"TEST": slice(2, None), "TRAIN": slice(2)}.items()
    }
    server.files["ECG5000.zip"] = to_zip(**members)
    assert_array_equal(fetch_ecg5000(data_home=data_home).data, beats["X"])


@pytest.mark.parametrize("fetch", FETCH_IMAGES)
@pytest.mark.parametrize(
    ("subset", "parts"), [("all", ["train", "test"]), ("train", ["train"]), ("test", ["test"])]
)
def test_images_come_flat_and_shaped(images, data_home, fetch, subset, parts):
    bunch = fetch(data_home=data_home, subset=subset)
    expected = np.concatenate([images[f"x_{part}"] for part in parts])
    assert_array_equal(bunch.images, expected)
    assert_array_equal(bunch.data, expected.reshape(-1, 784))
    assert bunch.data.dtype == np.uint8
    assert_array_equal(bunch.target, np.concatenate([images[f"y_{part}"] for part in parts]))
    assert bunch.target.dtype == np.int64
    assert bunch.feature_names[29] == "pixel_1_1"
    assert_array_equal(bunch.data[:, 29], bunch.images[:, 1, 1])
    assert len(bunch.target_names) == 10
    assert bunch.DESCR.strip()


@pytest.mark.parametrize("fetch", [*FETCH_IMAGES, fetch_ecg5000])
def test_pairs_frames_and_bunches_agree(images, beats, data_home, fetch):
    bunch = fetch(data_home=data_home)
    X, y = fetch(data_home=data_home, return_X_y=True)
    assert_array_equal(X, bunch.data)
    assert_array_equal(y, bunch.target)
    frames = fetch(data_home=data_home, as_frame=True)
    assert_array_equal(frames.data.to_numpy(), bunch.data)
    assert list(frames.data.columns) == bunch.feature_names
    assert list(frames.frame.columns) == [*bunch.feature_names, "target"]
    X, y = fetch(data_home=data_home, return_X_y=True, as_frame=True)
    pd.testing.assert_frame_equal(X, frames.data)
    pd.testing.assert_series_equal(y, frames.target)


@pytest.mark.parametrize("fetch", [*FETCH_IMAGES, fetch_ecg5000])
def test_fresh_and_cached_data_are_the_same_and_writable(images, beats, data_home, fetch):
    fresh, cached = fetch(data_home=data_home), fetch(data_home=data_home)
    assert pickle.dumps(fresh) == pickle.dumps(cached)
    for bunch in (fresh, cached):
        assert bunch.data.flags.writeable
        assert bunch.data.flags.c_contiguous


@pytest.mark.parametrize("fetch", [*FETCH_IMAGES, fetch_ecg5000])
def test_an_unknown_subset_is_refused_before_any_download(server, sources, data_home, fetch):
    with pytest.raises(ValueError, match="subset must be 'all', 'train' or 'test'; got 'val'"):
        fetch(data_home=data_home, subset="val")
    assert server.requests == []
