"""Recognizing the format of bytes by how they begin, so that an error can name the format that came instead."""

import re
from typing import Final

from container.formats.errors import FormatError

CSV: Final = "CSV"
RECORDIO: Final = "RecordIO"
NPY: Final = ".npy"
ZIP: Final = "a ZIP archive"
PARQUET: Final = "Parquet"
GZIP: Final = "gzip"
_TEXT: Final = "text"

# Enough bytes to tell all formats apart.
HEAD_BYTES: Final = 16

_CONVERT = "`python -m container.convert` makes RecordIO of a file named {}"
_WRITE = "write it as Parquet or CSV"
# Patterns of the first bytes, each with the format's name and what to do with it. Words that a line of text may begin
# with are followed by bytes that no text holds. The first pattern that matches counts.
_FORMATS: Final = tuple(
    (re.compile(pattern), name, advice)
    for pattern, name, advice in (
        (rb"\x0a\x23\xd7\xce", RECORDIO, "its content type is application/x-recordio-protobuf"),
        (rb"\x93NUMPY", NPY, f"{_CONVERT.format('.npy')}, and training reads it as application/x-npy"),
        (rb"PK(?:\x03\x04|\x05\x06)", ZIP, f"unpack it, or save a workbook as CSV; {_CONVERT.format('.npz')}"),
        (
            rb"PAR1[\x00-\x08\x0e-\x1f]",
            PARQUET,
            f"{_CONVERT.format('.parquet')}, and training reads it as application/x-parquet",
        ),
        (rb"\x1f\x8b", "gzip", "unpack it with gunzip"),
        (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "bzip2", "unpack it with bunzip2"),
        (rb"\xfd7zXZ\x00", "xz", "unpack it with unxz"),
        (rb"\x28\xb5\x2f\xfd", "Zstandard", "unpack it with unzstd"),
        (rb"\x04\x22\x4d\x18", "LZ4", "unpack it with unlz4"),
        (rb"\xff\x06\x00\x00sNaPpY", "Snappy", "unpack it"),
        (rb"7z\xbc\xaf\x27\x1c", "7-Zip", "unpack it"),
        (rb"ORC\n?[\x00-\x08\x0e-\x1f]", "ORC", _WRITE),
        (rb"Obj\x01", "Avro", _WRITE),
        (rb"ARROW1\x00\x00", "Arrow IPC", _WRITE),
        (rb"\x89HDF\r\n\x1a\n", "HDF5", _WRITE),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", "save it as CSV"),
        (rb"\x80[\x02-\x05]", "a Python pickle", f"no pickle is loaded, {_WRITE}"),
        (rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff", "UTF-32", "iconv -f UTF-32 -t UTF-8 makes UTF-8 of it"),
        (rb"\xff\xfe|\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8 makes UTF-8 of it"),
        (
            rb"(?:\xef\xbb\xbf)?[\t\n\r\x20-\x7e]{12}",
            _TEXT,
            "CSV has the content type text/csv, and a name that ends in .csv",
        ),
    )
)


def recognized(head: bytes | memoryview) -> str:
    """Return the name of the format that bytes are clearly in; empty if there is none.

    Parameters
    ----------
    head : bytes or memoryview
        The beginning: `HEAD_BYTES` bytes or more, unless there are fewer.

    Returns
    -------
    str
    """
    return next((name for pattern, name, _ in _FORMATS if pattern.match(head)), "")


def refuse_others(head: bytes | memoryview, expected: str) -> None:
    """Raise an error if bytes are clearly in another format than they should be.

    Parameters
    ----------
    head : bytes or memoryview
        The beginning: `HEAD_BYTES` bytes or more, unless there are fewer.
    expected : str
        One of the names above.

    Raises
    ------
    FormatError
        With record 1, naming the format that they are in and what to do with it.
    """
    for pattern, name, advice in _FORMATS:
        if pattern.match(head):
            if name != expected and (name, expected) != (_TEXT, CSV):
                raise FormatError(f"expected {expected}, got {name}: {advice}", record=1)
            return
