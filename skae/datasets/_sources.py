"""Addresses, formats and checksums of the data sets."""

from __future__ import annotations

import gzip
import io
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]

# How many times its expected size a file may have.
SIZE_FACTOR = 4


@dataclass(frozen=True)
class Source:
    """The public origin of one data set."""

    # Addresses that hold the same files, in the order in which they are tried.
    mirrors: tuple[str, ...]
    # Names of the files, and the bytes of each, or of the largest in an archive, decompressed.
    files: Mapping[str, int]
    # From the name, the content and the expected size of a file to arrays.
    parse: Callable[[str, bytes, int], Arrays]
    # Digest of the arrays (`content_digest`), not of the files: archives are packed anew from time
    # to time, but the values stay.
    sha256: str


def check_size(size: int, expected: int) -> None:
    """Raise an error for data far larger than expected, before it fills the memory."""
    if size > SIZE_FACTOR * expected:
        raise OSError(f"it has more than {SIZE_FACTOR} times the {expected} bytes expected")


def _decompress(stream: Any, expected: int) -> bytes:
    content: bytes = stream.read(SIZE_FACTOR * expected + 1)
    check_size(len(content), expected)
    return content


def parse_idx(name: str, content: bytes, expected: int) -> Arrays:
    """Return one array of unsigned bytes from the gzipped idx format.

    Two zero bytes, the type (8: unsigned byte), the number of axes, each axis's length as a
    big-endian 32-bit integer, then the values.
    """
    with gzip.open(io.BytesIO(content)) as stream:
        raw = _decompress(stream, expected)
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"it starts with {raw[:4]!r}, not as an idx file of bytes")
    shape = tuple(np.frombuffer(raw, dtype=">u4", count=raw[3], offset=4).tolist())
    values = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * len(shape))
    if values.size != math.prod(shape):
        raise ValueError(f"it announces the shape {shape} but holds {values.size} values")
    key = f"{'x' if 'images' in name else 'y'}_{'train' if 'train' in name else 'test'}"
    return {key: values.reshape(shape)}


def parse_ucr(name: str, content: bytes, expected: int) -> Arrays:
    """Return the arrays of a UCR archive: a class in the first column, then the series."""

    def table(part: str) -> NDArray[np.float64]:
        wanted = name.replace(".zip", f"_{part}.txt")
        members = [path for path in archive.namelist() if path.split("/")[-1] == wanted]
        if not members:
            raise ValueError(f"it has no member {wanted}, only {archive.namelist()}")
        with archive.open(members[0]) as stream:
            return np.loadtxt(io.BytesIO(_decompress(stream, expected)), ndmin=2)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        train, test = table("TRAIN"), table("TEST")
    rows = np.concatenate([train, test])
    y_class = rows[:, 0].astype(np.uint8)
    return {
        "X": rows[:, 1:].astype(np.float32),
        "y": (y_class == 1).astype(np.uint8),
        "y_class": y_class,
        "is_ucr_train": np.arange(len(rows)) < len(train),
    }


IDX_FILES = {
    "train-images-idx3-ubyte.gz": 47_040_016,
    "train-labels-idx1-ubyte.gz": 60_008,
    "t10k-images-idx3-ubyte.gz": 7_840_016,
    "t10k-labels-idx1-ubyte.gz": 10_008,
}
SOURCES = {
    "ecg5000": Source(
        mirrors=(
            "https://www.timeseriesclassification.com/aeon-toolkit/",
            "https://timeseriesclassification.com/aeon-toolkit/",
        ),
        files={"ECG5000.zip": 10_200_000},
        parse=parse_ucr,
        sha256="23e0456b93891b589b76532dfc5b3d9aa3be06c62b0cbb763f02b591c06c82b5",
    ),
    "fashion_mnist": Source(
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        files=IDX_FILES,
        parse=parse_idx,
        sha256="37e5852d33933792bfddacf387e185c9c3d87fa20c45417517512181f092a44a",
    ),
    "mnist": Source(
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        files=IDX_FILES,
        parse=parse_idx,
        sha256="8fc8fc4f0343f34ece1fcfdfb65f0801fac48030ce7c70e62bbb62f64ee2e65b",
    ),
}
