"""Files of rows, in several formats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.formats.recordio.layout import dense_frames
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode

FLOAT32: Final = "float32 records"
FLOAT64: Final = "float64 records"
INT32: Final = "int32 records"
CSV: Final = "CSV"

# Several files, as channels usually have.
PARTS = 4

RECORDIO_TYPE = "application/x-recordio-protobuf"


@dataclass(frozen=True)
class Form:
    """A format of files.

    Attributes
    ----------
    suffix : str
        The suffix of file names.
    content_type : str
        The content type of the channel.
    encode : callable
        Called with rows, shape (n, d); returns the bytes of a file.
    """

    suffix: str
    content_type: str
    encode: Callable[[NDArray[Any]], bytes]


def write(rows: NDArray[Any], folder: Path, form: str) -> None:
    """Write rows to a few files in a folder.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        The rows, in the order in which to read them.
    folder : Path
        An existing folder.
    form : str
        A key of `FORMS`.
    """
    chosen = FORMS[form]
    for number, part in enumerate(np.array_split(rows, PARTS)):
        (folder / f"part-{number}{chosen.suffix}").write_bytes(chosen.encode(part))


def _float32_records(rows: NDArray[Any]) -> bytes:
    return dense_frames(np.ascontiguousarray(rows, np.float32)).tobytes()


def _float64_records(rows: NDArray[Any]) -> bytes:
    records = [Record() for _ in rows]
    for record, row in zip(records, rows, strict=True):
        record.features["values"].float64_tensor.values.extend(row.tolist())
    return encode(records)


def _int32_records(rows: NDArray[Any]) -> bytes:
    whole = rows.astype(np.int32)
    if not np.array_equal(whole, rows):
        raise ValueError("expected whole numbers in the range of int32")
    records = [Record() for _ in whole]
    for record, row in zip(records, whole, strict=True):
        record.features["values"].int32_tensor.values.extend(row.tolist())
    return encode(records)


def _csv(rows: NDArray[Any]) -> bytes:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()).encode()


FORMS: Final[Mapping[str, Form]] = {
    FLOAT32: Form(".pbr", RECORDIO_TYPE, _float32_records),
    FLOAT64: Form(".pbr", RECORDIO_TYPE, _float64_records),
    INT32: Form(".pbr", RECORDIO_TYPE, _int32_records),
    CSV: Form(".csv", "text/csv;label_size=0", _csv),
}
