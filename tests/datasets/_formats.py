"""Writers of the formats in which the public sources keep their data."""

import gzip
import io
import struct
import zipfile

import numpy as np


def to_idx(array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), compresslevel=1, mtime=0)


def to_ucr(X, y_class):
    rows = np.column_stack([y_class, X])
    return "\n".join("  ".join(f"{value:.7e}" for value in row) for row in rows)


def to_zip(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.txt", text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
