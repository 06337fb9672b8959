"""Where the data come from, and what they must be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """The public origin of one data set.

    Parameters
    ----------
    mirrors : tuple of str
        Addresses that hold the same files, in the order in which they are tried.
    files : tuple of str
        Names to append to a mirror's address.
    sha256 : str
        Digest of the arrays made from the files (`content_digest`), not of the files: archives
        are packed anew from time to time, but the values stay.
    """

    mirrors: tuple[str, ...]
    files: tuple[str, ...]
    sha256: str


IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

SOURCES = {
    "ecg5000": Source(
        mirrors=(
            "https://www.timeseriesclassification.com/aeon-toolkit/",
            "https://timeseriesclassification.com/aeon-toolkit/",
        ),
        files=("ECG5000.zip",),
        sha256="23e0456b93891b589b76532dfc5b3d9aa3be06c62b0cbb763f02b591c06c82b5",
    ),
    "fashion_mnist": Source(
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        files=IDX_FILES,
        sha256="37e5852d33933792bfddacf387e185c9c3d87fa20c45417517512181f092a44a",
    ),
    "mnist": Source(
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        files=IDX_FILES,
        sha256="8fc8fc4f0343f34ece1fcfdfb65f0801fac48030ce7c70e62bbb62f64ee2e65b",
    ),
}
