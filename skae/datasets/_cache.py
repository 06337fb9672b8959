"""The cache of fetched data."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ._download import DAMAGE, download_arrays
from ._sources import SOURCES, Arrays, check_size

DATA_HOME_VARIABLE = "SKAE_DATA"
DEFAULT_DATA_HOME = "~/skae_data"


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Return the path of skae's data folder, and create it if it is missing.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. None: the environment variable ``SKAE_DATA``, or ``~/skae_data`` where that
        is not set. ``~`` is the user's home.

    Returns
    -------
    data_home : str
        The path of the folder; an OSError says where it can't be created.

    Examples
    --------
    >>> from skae.datasets import get_data_home
    >>> get_data_home()  # doctest: +SKIP
    '...skae_data'
    """
    home = data_home_path(data_home)
    with _written(home):
        home.mkdir(parents=True, exist_ok=True)
    return str(home)


def clear_data_home(data_home: str | os.PathLike[str] | None = None) -> None:
    """Delete what skae has cached in its data folder.

    Only the files that skae's fetchers write are deleted, and folders that are then empty;
    other files in the folder are kept.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder, as for :func:`get_data_home`.

    Examples
    --------
    >>> from skae.datasets import clear_data_home
    >>> clear_data_home()  # doctest: +SKIP
    """
    home = data_home_path(data_home)
    for name in SOURCES:
        folder = home / name
        (folder / f"{name}.npz").unlink(missing_ok=True)
        for temporary in folder.glob(f"{name}.npz.*.part"):
            shutil.rmtree(temporary)
        _remove_if_empty(folder)
    _remove_if_empty(home)


def data_home_path(data_home: str | os.PathLike[str] | None) -> Path:
    """Return where the data folder is, without creating it: a read-only one can be read."""
    if data_home is None:
        data_home = os.environ.get(DATA_HOME_VARIABLE) or DEFAULT_DATA_HOME
    return Path(data_home).expanduser()


def fetch_arrays(
    name: str,
    *,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
    **retries: Any,
) -> Arrays:
    """Return a data set's verified arrays, from the cache or else from its source."""
    path = data_home_path(data_home) / name / f"{name}.npz"
    if path.is_file():
        return _load(path, name)
    if not download_if_missing:
        raise OSError(
            f"{path} does not exist and download_if_missing is False. Set download_if_missing="
            f"True, or point data_home or {DATA_HOME_VARIABLE} to the folder that holds the data."
        )
    return _download_into(path, name, **retries)


def content_digest(arrays: Mapping[str, NDArray]) -> str:
    """Return the SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        values = np.ascontiguousarray(arrays[key])
        little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{key} {little_endian.dtype.str} {values.shape}\n".encode())
        digest.update(little_endian.data)
    return digest.hexdigest()


def _check_content(arrays: Arrays, name: str, where: str, advice: str) -> None:
    found, expected = content_digest(arrays), SOURCES[name].sha256
    if found != expected:
        raise OSError(
            f"{where} does not hold the expected data (SHA-256 of the arrays {found}, expected "
            f"{expected}). {advice}"
        )


def _size(archive: Any) -> int:
    return sum(member.file_size for member in archive.zip.infolist())


def _load(path: Path, name: str) -> Arrays:
    """Return the arrays of a cached file; the digest of the largest takes some 50 ms."""
    where, advice = f"The cached file {path}", "Delete it; the next call downloads it again."
    try:
        # Opened here, because NumPy leaves a broken archive's file open.
        with path.open("rb") as stream, NpzFile(stream, allow_pickle=False) as archive:
            check_size(_size(archive), sum(SOURCES[name].files.values()))
            arrays = dict(archive)
    except PermissionError:
        raise
    except DAMAGE as error:
        raise OSError(f"{where} can't be read ({error}). {advice}") from error
    _check_content(arrays, name, where, advice)
    return arrays


def _download_into(path: Path, name: str, **retries: Any) -> Arrays:
    """Download, verify and cache; the file appears whole or not at all.

    Every caller downloads to a separate folder and moves the file out of it, so parallel callers do
    not conflict. The folder is made first, so that a read-only cache raises an error at once.
    """
    source = SOURCES[name]
    with _written(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    with folder:
        arrays = download_arrays(source, **retries)
        where = f"The download of {', '.join(source.files)} from {source.mirrors[0]}"
        advice = "The source has changed or the download is damaged. Nothing has been cached."
        _check_content(arrays, name, where, advice)
        temporary = Path(folder.name, path.name)
        with temporary.open("xb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    return arrays


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Raise an error with advice if a folder can't be written."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"The cache folder {folder} can't be written ({error}). Give data_home, or set the "
            f"environment variable {DATA_HOME_VARIABLE}, to a folder that can."
        ) from error


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
