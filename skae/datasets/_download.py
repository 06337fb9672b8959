"""Downloads and reads files, in bounded time and memory."""

from __future__ import annotations

import logging
import time
import zipfile
import zlib
from http.client import HTTPException, IncompleteRead
from urllib.request import urlopen

from ._sources import Arrays, Source, check_size

logger = logging.getLogger(__name__)

# sklearn.datasets.fetch_file has neither a timeout nor a limit of bytes.
SILENCE_SECONDS, DOWNLOAD_SECONDS = 60.0, 1800.0
# What broken archives raise, beside OSError, which gzip.BadGzipFile is.
DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def download_arrays(source: Source, *, n_retries: int, delay: float) -> Arrays:
    """Return what all files of a source hold."""
    arrays: Arrays = {}
    for name, size in source.files.items():
        content = _download(source.mirrors, name, size, n_retries, delay)
        try:
            arrays |= source.parse(name, content, size)
        except DAMAGE as error:
            raise OSError(
                f"The downloaded {name} can't be read: {error}. The file is damaged, cut short, or "
                "not what it was; nothing has been cached. Try again later."
            ) from error
    return arrays


def _download(
    mirrors: tuple[str, ...], name: str, size: int, n_retries: int, delay: float
) -> bytes:
    """Return one file's content from the first mirror that has it."""
    failures = []
    for attempt in range(n_retries + 1):
        time.sleep(delay if attempt else 0)
        for mirror in mirrors:
            try:
                return _read_url(mirror + name, size)
            except (OSError, HTTPException) as error:
                failures.append(f"{mirror + name}: {type(error).__name__}: {error}")
                logger.info("Download failed: %s", failures[-1])
    reasons = "\n  ".join(dict.fromkeys(failures))
    raise OSError(
        f"Could not download {name} ({n_retries + 1} attempts):\n  {reasons}\nCheck the network "
        "connection; or copy the cached file from another machine into the folder that "
        "skae.datasets.get_data_home() returns."
    )


def _read_url(url: str, expected: int) -> bytes:
    """Return everything behind an address; a connection that ends early is an error."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"Only http and https addresses are fetched; got {url!r}.")
    logger.info("Downloading %s", url)
    content, end = bytearray(), time.monotonic() + DOWNLOAD_SECONDS
    with urlopen(url, timeout=SILENCE_SECONDS) as response:  # noqa: S310 - checked above
        while block := response.read1(2**16):
            content += block
            check_size(len(content), expected)
            if time.monotonic() > end:
                raise TimeoutError(f"not complete after {DOWNLOAD_SECONDS:g} seconds")
        missing = int(response.headers.get("Content-Length", 0)) - len(content)
    if missing > 0:
        raise IncompleteRead(bytes(content), missing)
    return bytes(content)
