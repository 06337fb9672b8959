"""From an address to arrays, in memory; nothing here touches the cache."""

from __future__ import annotations

import gzip
import io
import logging
import math
import time
import zipfile
import zlib
from collections.abc import Mapping
from http.client import HTTPException
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from ._sources import Source

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
# What broken archives raise, beside OSError, which gzip.BadGzipFile is.
DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)

Arrays = dict[str, NDArray]


def download_files(source: Source, *, n_retries: int, delay: float) -> dict[str, bytes]:
    """Return the content of the source's files by name."""
    return {name: _download(source.mirrors, name, n_retries, delay) for name in source.files}


def _download(mirrors: tuple[str, ...], name: str, n_retries: int, delay: float) -> bytes:
    """Return one file's content from the first mirror that has it."""
    failures = []
    for attempt in range(n_retries + 1):
        if attempt:
            time.sleep(delay)
        for mirror in mirrors:
            try:
                return _read_url(mirror + name)
            except (OSError, HTTPException) as error:
                logger.info("Downloading %s failed: %s", mirror + name, error)
                failures.append(f"{mirror + name}: {type(error).__name__}: {error}")
    reasons = "\n  ".join(dict.fromkeys(failures))
    raise OSError(
        f"Could not download {name} ({n_retries + 1} attempts):\n  {reasons}\nCheck the network "
        "connection; or copy the cached file from another machine into the folder that "
        "skae.datasets.get_data_home() returns."
    )


def _read_url(url: str) -> bytes:
    """Return everything behind an address; a connection that ends early is an error."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"Only http and https addresses are fetched; got {url!r}.")
    logger.info("Downloading %s", url)
    with urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - checked above
        content: bytes = response.read()
    return content


def parse_idx_images(files: Mapping[str, bytes]) -> Arrays:
    """Return the arrays of an MNIST-like data set from its four idx files."""
    keys = ("x_train", "y_train", "x_test", "y_test")
    return {
        key: _parse_idx(name, content)
        for key, (name, content) in zip(keys, files.items(), strict=True)
    }


def _parse_idx(name: str, content: bytes) -> NDArray[np.uint8]:
    """Return one array of unsigned bytes from the gzipped idx format.

    Two zero bytes, the type (8: unsigned byte), the number of axes, each axis's length as a
    big-endian 32-bit integer, then the values.
    """
    try:
        raw = gzip.decompress(content)
        if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
            raise ValueError(f"it starts with {raw[:4]!r}, not as an idx file of bytes")
        n_axes = raw[3]
        shape = tuple(np.frombuffer(raw, dtype=">u4", count=n_axes, offset=4).tolist())
        values = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * n_axes)
        if values.size != math.prod(shape):
            raise ValueError(f"it announces the shape {shape} but holds {values.size} values")
    except DAMAGE as error:
        raise _damaged(name, error) from error
    return values.reshape(shape)


def parse_ucr_zip(files: Mapping[str, bytes]) -> Arrays:
    """Return the arrays of a UCR archive: a class in the first column, then the series."""
    ((name, content),) = files.items()
    stem = name.removesuffix(".zip")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [_read_table(archive, f"{stem}_{part}.txt") for part in ("TRAIN", "TEST")]
        table = np.concatenate(parts)
    except DAMAGE as error:
        raise _damaged(name, error) from error
    y_class = table[:, 0].astype(np.uint8)
    return {
        "X": table[:, 1:].astype(np.float32),
        "y": (y_class == 1).astype(np.uint8),
        "y_class": y_class,
        "is_ucr_train": np.arange(len(table)) < len(parts[0]),
    }


def _read_table(archive: zipfile.ZipFile, name: str) -> NDArray[np.float64]:
    """Return a table of numbers from the member with this name, in whatever folder it is."""
    members = [member for member in archive.namelist() if member.split("/")[-1] == name]
    if not members:
        raise ValueError(f"it has no member {name}, only {archive.namelist()}")
    with archive.open(members[0]) as stream:
        return np.loadtxt(stream, ndmin=2)


def _damaged(name: str, error: Exception) -> OSError:
    return OSError(
        f"The downloaded {name} can't be read: {error}. The file is damaged, cut short, or not "
        "what it was; nothing has been cached. Try again later."
    )
