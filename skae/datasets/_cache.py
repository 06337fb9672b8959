"""The folder that keeps fetched data, and the way in and out of it."""

from __future__ import annotations

import hashlib
import os
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from . import _sources
from ._download import Arrays, download_files

DATA_HOME_VARIABLE = "SKAE_DATA"
DEFAULT_DATA_HOME = "~/skae_data"

Parser = Callable[[Mapping[str, bytes]], Arrays]


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
        The path of the folder.

    Raises
    ------
    OSError
        If the folder can't be created.

    Examples
    --------
    >>> from skae.datasets import get_data_home
    >>> get_data_home()  # doctest: +SKIP
    '...skae_data'
    """
    home = data_home_path(data_home)
    _make_folder(home)
    return str(home)


def clear_data_home(data_home: str | os.PathLike[str] | None = None) -> None:
    """Delete what skae has cached in its data folder.

    Only the files that skae's fetchers write are deleted, and folders that are empty then;
    whatever else lies in the folder stays.

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
    for name in _sources.SOURCES:
        folder = home / name
        for path in [folder / f"{name}.npz", *folder.glob(f"{name}.npz.*.part")]:
            path.unlink(missing_ok=True)
        _remove_if_empty(folder)
    _remove_if_empty(home)


def data_home_path(data_home: str | os.PathLike[str] | None) -> Path:
    """Return where the data folder is, without creating it: a read-only one can be read."""
    if data_home is None:
        data_home = os.environ.get(DATA_HOME_VARIABLE) or DEFAULT_DATA_HOME
    return Path(data_home).expanduser()


def fetch_arrays(
    name: str,
    parse: Parser,
    *,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
    n_retries: int,
    delay: float,
) -> Arrays:
    """Return a data set's verified arrays, from the cache or else from its source."""
    path = data_home_path(data_home) / name / f"{name}.npz"
    if path.is_file():
        return _load(path, _sources.SOURCES[name].sha256)
    if not download_if_missing:
        raise OSError(
            f"{path} does not exist and download_if_missing is False. Set download_if_missing="
            f"True, or point data_home or {DATA_HOME_VARIABLE} to the folder that holds the data."
        )
    return _download_into(path, name, parse, n_retries=n_retries, delay=delay)


def content_digest(arrays: Mapping[str, NDArray]) -> str:
    """Return the SHA-256 of names, types, shapes and values, whatever file they came from."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        values = np.ascontiguousarray(arrays[key])
        little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{key} {little_endian.dtype.str} {values.shape}\n".encode())
        digest.update(little_endian.data)
    return digest.hexdigest()


def _load(path: Path, sha256: str) -> Arrays:
    """Return the arrays of a cached file; the digest of the largest takes some 50 ms."""
    try:
        # Opened here, because np.load leaves a broken archive's file open.
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no .npz archive, or was cut short")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
    except PermissionError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(
            f"The cached file {path} can't be read ({error}). Delete it; the next call downloads "
            "it again."
        ) from error
    found = content_digest(arrays)
    if found != sha256:
        raise OSError(
            f"The cached file {path} does not hold the expected data (SHA-256 of the arrays "
            f"{found}, expected {sha256}). Delete it; the next call downloads it again."
        )
    return arrays


def _download_into(path: Path, name: str, parse: Parser, *, n_retries: int, delay: float) -> Arrays:
    """Download, verify and cache; the file appears whole or not at all.

    Every caller writes a file of its own and renames it, so parallel callers can't disturb each
    other. It is opened before the download, so that a read-only cache is known at once.
    """
    source = _sources.SOURCES[name]
    _make_folder(path.parent)
    # Not by `tempfile`, whose files only their owner can read: a cache is often shared.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with _open_new(temporary) as stream:
            arrays = parse(download_files(source, n_retries=n_retries, delay=delay))
            found = content_digest(arrays)
            if found != source.sha256:
                raise OSError(
                    f"{', '.join(source.files)} from {source.mirrors[0]} do not hold the expected "
                    f"data (SHA-256 of the arrays {found}, expected {source.sha256}): the source "
                    "has changed or the download is damaged. Nothing has been cached."
                )
            np.savez_compressed(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return arrays


def _open_new(path: Path) -> IO[bytes]:
    try:
        return path.open("xb")
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> OSError:
    return OSError(
        f"The cache folder {folder} can't be written ({error}). Give data_home, or set the "
        f"environment variable {DATA_HOME_VARIABLE}, to a folder that can."
    )


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
