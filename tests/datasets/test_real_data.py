"""The real data, if they are in the cache; no test downloads them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skae.datasets import _sources, fetch_ecg5000, fetch_fashion_mnist, fetch_mnist
from skae.datasets._cache import content_digest, data_home_path
from skae.datasets._sources import parse_idx, parse_ucr
from tests.datasets._formats import to_idx, to_ucr, to_zip

pytestmark = pytest.mark.data


def needs(name):
    path = data_home_path(None) / name / f"{name}.npz"
    return pytest.mark.skipif(
        not path.is_file(), reason=f"{name} is not in the cache (set SKAE_DATA to have it tested)"
    )


@needs("ecg5000")
def test_ecg5000_is_the_tutorials_set_and_two_more():
    ecg = fetch_ecg5000(download_if_missing=False)
    assert ecg.data.shape == (5000, 140)
    assert np.bincount(ecg.target_class).tolist() == [0, 2919, 1767, 96, 194, 24]
    assert (ecg.target[:4998] == 1).sum() == 2919
    assert (ecg.target[:4998] == -1).sum() == 2079
    assert fetch_ecg5000(download_if_missing=False, subset="train").data.shape == (500, 140)


@needs("ecg5000")
def test_ecg5000_can_be_rebuilt_from_the_archives_text():
    ecg = fetch_ecg5000(download_if_missing=False)
    train = ecg.is_ucr_train
    content = to_zip(
        ECG5000_TRAIN=to_ucr(ecg.data[train], ecg.target_class[train]),
        ECG5000_TEST=to_ucr(ecg.data[~train], ecg.target_class[~train]),
    )
    source = _sources.SOURCES["ecg5000"]
    arrays = parse_ucr("ECG5000.zip", content, source.files["ECG5000.zip"])
    assert content_digest(arrays) == source.sha256


@needs("mnist")
def test_mnist_is_the_official_one():
    train = fetch_mnist(download_if_missing=False, subset="train")
    assert train.images.shape == (60000, 28, 28)
    assert_allclose([train.images.mean(), train.images.std()], [33.318421, 78.567490], atol=1e-5)
    assert train.target[:5].tolist() == [5, 0, 4, 1, 9]


@needs("fashion_mnist")
def test_fashion_mnist_is_the_official_one():
    train = fetch_fashion_mnist(download_if_missing=False, subset="train")
    assert_allclose([train.images.mean(), train.images.std()], [72.940352, 90.021182], atol=1e-5)
    assert np.bincount(train.target).tolist() == [6000] * 10
    assert train.target_names[train.target[0]] == "Ankle boot"


@needs("mnist")
def test_mnist_can_be_rebuilt_from_idx_files():
    parts = {
        part: fetch_mnist(download_if_missing=False, subset=part) for part in ("train", "test")
    }
    arrays = [
        values.astype(np.uint8) for part in parts.values() for values in (part.images, part.target)
    ]
    rebuilt = {}
    for (name, size), array in zip(_sources.IDX_FILES.items(), arrays, strict=True):
        rebuilt |= parse_idx(name, to_idx(array), size)
        assert size == array.nbytes + 4 + 4 * array.ndim
    assert content_digest(rebuilt) == _sources.SOURCES["mnist"].sha256
