"""ECG5000: five thousand heartbeats of one patient."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ._bunch import check_subset, pack
from ._cache import fetch_arrays
from ._download import parse_ucr_zip

CLASS_NAMES = (
    "normal",
    "R-on-T premature ventricular contraction",
    "premature ventricular contraction",
    "supraventricular premature or ectopic beat",
    "unclassified beat",
)


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

    =================   ==============================
    Samples total       5000
    Normal              2919 (+1)
    Abnormal            2081 (-1), of four kinds
    Dimensionality      140 points of one beat
    Features            real, the archive's own scale
    =================   ==============================

    The first 4,998 rows, in order, are those of the ``ecg.csv`` that TensorFlow's tutorial on
    autoencoders uses: take ``data[:4998]`` and ``target[:4998]`` to compare with it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the cache; see :func:`get_data_home`.
    subset : {"all", "train", "test"}, default="all"
        All rows, or the UCR archive's own training part (the first 500) or test part (4,500).
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
            Whether a row belongs to the archive's training part.
        feature_names : list of str
            Names of the columns of `data`.
        target_names : list of str
            What -1 and 1 mean, in this order.
        frame : dataframe of shape (5000, 141) or None
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
    subset = check_subset(subset)
    arrays = fetch_arrays(
        "ecg5000",
        parse_ucr_zip,
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    is_train = arrays["is_ucr_train"]
    parts = {"all": np.ones_like(is_train), "train": is_train, "test": ~is_train}
    kept = parts[subset]
    data = arrays["X"][kept]
    return pack(
        data,
        np.where(arrays["y"][kept] == 1, 1, -1).astype(np.int64),
        description="ecg5000",
        feature_names=[f"t{point}" for point in range(data.shape[1])],
        target_names=["abnormal", "normal"],
        as_frame=as_frame,
        return_X_y=return_X_y,
        target_class=arrays["y_class"][kept].astype(np.int64),
        class_names=np.array(CLASS_NAMES),
        is_ucr_train=is_train[kept],
    )
