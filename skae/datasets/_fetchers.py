"""Data sets that are downloaded once: ECG5000, MNIST and Fashion-MNIST."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from string import Template
from typing import Any, TypeVar

import numpy as np

from ._bunch import pack
from ._cache import fetch_arrays

Fetcher = TypeVar("Fetcher", bound=Callable[..., Any])

BEAT_NAMES = (
    "normal",
    "R-on-T premature ventricular contraction",
    "premature ventricular contraction",
    "supraventricular premature or ectopic beat",
    "unclassified beat",
)
FASHION_NAMES = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot"

# The documentation that several fetchers share.
PARAMETERS = """\
Parameters
----------
data_home : str or path-like, default=None
    Folder of the cache; see :func:`get_data_home`.
subset : {"all", "train", "test"}, default="all"
    The official parts; ``"all"`` has the training samples first, in the official order.
return_X_y : bool, default=False
    Return ``(data, target)`` instead of a Bunch.
as_frame : bool, default=False
    Return pandas objects.
download_if_missing : bool, default=True
    False: raise an error where the data are not in the cache.
n_retries : int, default=3
    How often a failed download is tried again.
delay : float, default=1.0
    Seconds between tries."""
REST = """\
    feature_names : list of str
        Names of the columns of `data`.
    target_names : list of str
        What the values of `target` mean, in ascending order.
    frame : dataframe of shape (n_samples, n_features + 1) or None
        `data` and `target`; None unless `as_frame`.
    DESCR : str
        Origin, meaning and literature.

(data, target) : tuple if `return_X_y` is true
    The two attributes of those names alone.

Raises
------
OSError
    If the data can't be downloaded, written or read, or are not what they should be.
ValueError
    If `subset` is unknown."""
IMAGES = f"""\
=================   =========================
Classes             10
Samples             60000 train, 10000 test
Dimensionality      784 (28 x 28)
Features            integers 0 to 255
=================   =========================

{PARAMETERS}

Returns
-------
bunch : :class:`~sklearn.utils.Bunch`
    Dictionary-like object with the attributes

    data : {{ndarray, dataframe}} of shape (n_samples, 784), uint8
        One image in a row, row of pixels after row; 0 is background. The columns are
        ``pixel_0_0`` to ``pixel_27_27``.
    images : ndarray of shape (n_samples, 28, 28), uint8
        The same values as images.
    target : {{ndarray, Series}} of shape (n_samples,), int64
        The class, 0 to 9.
{REST}"""


def _documented(fetcher: Fetcher) -> Fetcher:
    """Insert the shared documentation into a docstring."""
    text = Template(inspect.cleandoc(fetcher.__doc__ or ""))
    fetcher.__doc__ = text.substitute(PARAMETERS=PARAMETERS, REST=REST, IMAGES=IMAGES)
    return fetcher


@_documented
def fetch_ecg5000(
    *,
    data_home: str | os.PathLike[str] | None = None,
    subset: str = "all",
    return_X_y: bool = False,
    as_frame: bool = False,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load the ECG5000 heartbeats, downloading them if necessary (outlier detection).

    =================   ==================================
    Samples             500 train, 4500 test
    Normal              2919 (+1)
    Abnormal            2081 (-1), of four kinds
    Dimensionality      140 points of one beat
    Features            real, the archive's original scale
    =================   ==================================

    The first 4,998 samples, in order, are those of the ``ecg.csv`` that TensorFlow's tutorial on
    autoencoders uses: take ``data[:4998]`` and ``target[:4998]`` to compare with it.

    $PARAMETERS

    Returns
    -------
    ecg : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : {ndarray, dataframe} of shape (5000, 140), float32
            One beat in a row; not rescaled, about -7.1 to 7.4.
        target : {ndarray, Series} of shape (5000,), int64
            +1 for a normal beat, -1 for an abnormal one: scikit-learn's convention for
            outlier detection, so that it compares with what `predict` returns.
        target_class : ndarray of shape (5000,), int64
            The archive's class, 1 to 5; 1 is normal.
        class_names : ndarray of shape (5,)
            What the classes mean, from 1 to 5.
        is_ucr_train : ndarray of shape (5000,), bool
            Whether a sample belongs to the UCR archive's training part.
    $REST

    References
    ----------
    .. [1] Y. Chen, Y. Hao, T. Rakthanmanon, J. Zakaria, B. Hu, E. Keogh, "A general framework
           for never-ending learning from time series streams", Data Mining and Knowledge
           Discovery 29, 2015. :doi:`10.1007/s10618-014-0388-4`
    .. [2] H. A. Dau et al., "The UCR time series archive", IEEE/CAA Journal of Automatica
           Sinica 6(6), 2019. :doi:`10.1109/JAS.2019.1911747`
    .. [3] D. S. Baim et al., "Survival of patients with severe congestive heart failure treated
           with oral milrinone", Journal of the American College of Cardiology 7(3), 1986.
           Data: :doi:`10.13026/C29G60`
    .. [4] A. L. Goldberger et al., "PhysioBank, PhysioToolkit, and PhysioNet", Circulation
           101(23), 2000. :doi:`10.1161/01.CIR.101.23.e215`

    Examples
    --------
    >>> from skae.datasets import fetch_ecg5000
    >>> X, y = fetch_ecg5000(return_X_y=True)  # doctest: +SKIP
    >>> X.shape, (y == 1).sum()  # doctest: +SKIP
    ((5000, 140), 2919)
    """
    return _fetch_ecg(**locals())


@_documented
def fetch_mnist(
    *,
    data_home: str | os.PathLike[str] | None = None,
    subset: str = "all",
    return_X_y: bool = False,
    as_frame: bool = False,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load the MNIST digits, downloading them if necessary.

    $IMAGES

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
           document recognition", Proceedings of the IEEE 86(11), 1998. :doi:`10.1109/5.726791`

    Examples
    --------
    >>> from skae.datasets import fetch_mnist
    >>> digits = fetch_mnist(subset="test")  # doctest: +SKIP
    >>> digits.data.shape, digits.images.shape  # doctest: +SKIP
    ((10000, 784), (10000, 28, 28))
    """
    return _fetch_images("mnist", "0 1 2 3 4 5 6 7 8 9", **locals())


@_documented
def fetch_fashion_mnist(
    *,
    data_home: str | os.PathLike[str] | None = None,
    subset: str = "all",
    return_X_y: bool = False,
    as_frame: bool = False,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load the Fashion-MNIST articles, downloading them if necessary.

    $IMAGES

    References
    ----------
    .. [1] H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for
           benchmarking machine learning algorithms", 2017. :doi:`10.48550/arXiv.1708.07747`

    Examples
    --------
    >>> from skae.datasets import fetch_fashion_mnist
    >>> X, y = fetch_fashion_mnist(subset="train", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (60000, 784)
    """
    return _fetch_images("fashion_mnist", FASHION_NAMES, **locals())


def _parts(subset: Any) -> list[str]:
    """Return the official parts that make up `subset`."""
    parts = {"all": ["train", "test"], "train": ["train"], "test": ["test"]}
    if subset not in list(parts):
        raise ValueError(f"subset must be 'all', 'train' or 'test'; got {subset!r}.")
    return parts[subset]


def _fetch_ecg(*, subset: str, return_X_y: bool, as_frame: bool, **download: Any) -> Any:
    parts = _parts(subset)
    arrays = fetch_arrays("ecg5000", **download)
    in_subset = np.isin(np.where(arrays["is_ucr_train"], "train", "test"), parts)
    data, y_class, is_train = (arrays[key][in_subset] for key in ("X", "y_class", "is_ucr_train"))
    return pack(
        data,
        np.where(y_class == 1, 1, -1).astype(np.int64),
        "ecg5000",
        as_frame=as_frame,
        return_X_y=return_X_y,
        feature_names=[f"t{point}" for point in range(data.shape[1])],
        target_names=["abnormal", "normal"],
        target_class=y_class.astype(np.int64),
        class_names=np.array(BEAT_NAMES),
        is_ucr_train=is_train,
    )


def _fetch_images(
    name: str,
    target_names: str,
    *,
    subset: str,
    return_X_y: bool,
    as_frame: bool,
    **download: Any,
) -> Any:
    parts = _parts(subset)
    arrays = fetch_arrays(name, **download)
    images = np.concatenate([arrays[f"x_{part}"] for part in parts])
    target = np.concatenate([arrays[f"y_{part}"] for part in parts])
    _, n_rows, n_columns = images.shape
    return pack(
        images.reshape(len(images), -1),
        target.astype(np.int64),
        name,
        as_frame=as_frame,
        return_X_y=return_X_y,
        feature_names=[f"pixel_{i}_{j}" for i in range(n_rows) for j in range(n_columns)],
        target_names=[target.replace("_", " ") for target in target_names.split()],
        images=images,
    )
