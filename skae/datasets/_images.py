"""MNIST and Fashion-MNIST: 70,000 images of 28 x 28 pixels each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._bunch import check_subset, pack
from ._cache import fetch_arrays
from ._download import parse_idx_images

FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGIT_NAMES = tuple("0123456789")


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

    =================   =========================
    Classes             10
    Samples             60000 train, 10000 test
    Dimensionality      784 (28 x 28)
    Features            integers 0 to 255
    =================   =========================

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the cache; see :func:`get_data_home`.
    subset : {"all", "train", "test"}, default="all"
        The official parts; ``"all"`` has the training rows first. Order is the official one.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas objects.
    download_if_missing : bool, default=True
        False: raise an error where the data are not in the cache.
    n_retries : int, default=3
        How often a failed download is tried again.
    delay : float, default=1.0
        Seconds between tries.

    Returns
    -------
    mnist : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : {ndarray, dataframe} of shape (n_samples, 784), uint8
            One image in a row, row of pixels after row; 0 is background, 255 full ink.
        images : ndarray of shape (n_samples, 28, 28), uint8
            The same values as images.
        target : {ndarray, Series} of shape (n_samples,), int64
            The class, 0 to 9.
        feature_names : list of str
            ``pixel_0_0`` to ``pixel_27_27``, row first.
        target_names : list of str
            What the classes mean.
        frame : dataframe of shape (n_samples, 785) or None
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
        If `subset` is unknown.

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
    return _fetch_images(
        "mnist",
        DIGIT_NAMES,
        subset=subset,
        return_X_y=return_X_y,
        as_frame=as_frame,
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )


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

    =================   =========================
    Classes             10
    Samples             60000 train, 10000 test
    Dimensionality      784 (28 x 28)
    Features            integers 0 to 255
    =================   =========================

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the cache; see :func:`get_data_home`.
    subset : {"all", "train", "test"}, default="all"
        The official parts; ``"all"`` has the training rows first. Order is the official one.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas objects.
    download_if_missing : bool, default=True
        False: raise an error where the data are not in the cache.
    n_retries : int, default=3
        How often a failed download is tried again.
    delay : float, default=1.0
        Seconds between tries.

    Returns
    -------
    fashion : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : {ndarray, dataframe} of shape (n_samples, 784), uint8
            One image in a row, row of pixels after row; 0 is background.
        images : ndarray of shape (n_samples, 28, 28), uint8
            The same values as images.
        target : {ndarray, Series} of shape (n_samples,), int64
            The class, 0 to 9.
        feature_names : list of str
            ``pixel_0_0`` to ``pixel_27_27``, row first.
        target_names : list of str
            What the classes mean.
        frame : dataframe of shape (n_samples, 785) or None
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
        If `subset` is unknown.

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
    return _fetch_images(
        "fashion_mnist",
        FASHION_NAMES,
        subset=subset,
        return_X_y=return_X_y,
        as_frame=as_frame,
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )


def _fetch_images(
    name: str,
    target_names: Sequence[str],
    *,
    subset: str,
    return_X_y: bool,
    as_frame: bool,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
    n_retries: int,
    delay: float,
) -> Any:
    parts = ["train", "test"] if check_subset(subset) == "all" else [subset]
    arrays = fetch_arrays(
        name,
        parse_idx_images,
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    images = np.concatenate([arrays[f"x_{part}"] for part in parts])
    target = np.concatenate([arrays[f"y_{part}"] for part in parts])
    n_samples, n_rows, n_columns = images.shape
    return pack(
        images.reshape(n_samples, n_rows * n_columns),
        target.astype(np.int64),
        description=name,
        feature_names=[
            f"pixel_{row}_{column}" for row in range(n_rows) for column in range(n_columns)
        ],
        target_names=target_names,
        as_frame=as_frame,
        return_X_y=return_X_y,
        images=images,
    )
