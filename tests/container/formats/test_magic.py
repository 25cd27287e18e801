"""What comes in place of CSV or RecordIO is called by its name."""

import bz2
import gzip
import io
import lzma
import pickle
from collections.abc import Callable

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest

from container.formats.csv import parser
from container.formats.errors import FormatError
from container.formats.recordio import frames, records

TEXT = b"1,2,3\n" * 9
ROWS = np.ones((2, 3), np.float32)
TABLE = pyarrow.table({"a": [1.0, 2.0]})


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


OTHERS = {
    "gzip: unpack it with gunzip": gzip.compress(TEXT),
    "bzip2": bz2.compress(TEXT),
    "bzip2: unpack it": bz2.compress(b""),
    "xz": lzma.compress(TEXT),
    "Zstandard": pyarrow.compress(TEXT, "zstd", asbytes=True),
    "LZ4": pyarrow.compress(TEXT, "lz4", asbytes=True),
    "Snappy": b"\xff\x06\x00\x00sNaPpY" + TEXT,
    "7-Zip": b"7z\xbc\xaf\x27\x1c\x00\x04",
    ".npy: `python -m container.convert` makes RecordIO": written(lambda file: np.save(file, ROWS)),
    "a ZIP archive: unpack it": written(lambda file: np.savez(file, ROWS)),
    "Parquet: `python -m container.convert` makes RecordIO of a file named .parquet, and training reads": written(
        lambda file: pyarrow.parquet.write_table(TABLE, file)
    ),
    "ORC": written(lambda file: pyarrow.orc.write_table(TABLE, file)),
    "Arrow IPC": written(lambda file: pyarrow.feather.write_feather(TABLE, file)),
    "Avro": b"Obj\x01\x04\x14avro.codec",
    "HDF5": b"\x89HDF\r\n\x1a\n\x00\x00",
    "an Excel workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00",
    "a Python pickle": pickle.dumps([1, 2]),
    "UTF-16: iconv -f UTF-16": TEXT.decode().encode("utf-16"),
    "UTF-16": b"\xfe\xff" + TEXT.decode().encode("utf-16-be"),
    "UTF-32": TEXT.decode().encode("utf-32"),
}


@pytest.mark.parametrize("said", OTHERS)
def test_other_formats_are_named(said: str) -> None:
    with pytest.raises(FormatError) as caught:
        parser.parse(OTHERS[said], 3)
    assert str(caught.value).startswith(f"record 1: expected CSV, got {said}")
    with pytest.raises(FormatError) as caught:
        list(frames.split_frames(OTHERS[said]))
    assert str(caught.value).startswith(f"record 1: expected RecordIO, got {said}")


@pytest.mark.parametrize("text", [TEXT, b"\xef\xbb\xbf" + TEXT, b"height,weight\r\n1,2\r\n", b'{"features": [1, 2]}\n'])
def test_text_in_place_of_recordio(text: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        list(frames.split_frames(text))
    assert str(caught.value).startswith("record 1: expected RecordIO, got text: CSV has the content type text/csv")


def test_recordio_in_place_of_csv() -> None:
    with pytest.raises(
        FormatError, match=r"^record 1: expected CSV, got RecordIO: its content type is application/x-r"
    ):
        parser.parse(records.encode(map(records.dense_record, ROWS)), 3)


@pytest.mark.parametrize("name", ["PAR1", "ORC", "BZh9", "PK", "Obj", "ARROW1", "7z"])
@pytest.mark.parametrize("end", [",b\n1,2\n", "\n1\n", "\r\n1\r\n", "\n", ""])
def test_a_line_of_names_is_text_whatever_they_are(name: str, end: str) -> None:
    with pytest.raises(FormatError, match=r"a header line is not expected"):
        parser.parse((name + end).encode(), None)
