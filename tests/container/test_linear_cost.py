"""What is read from outside costs in proportion to its length, however odd it is, and right or wrong."""

import io
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from container.channels.csv_reader import CSVReader
from container.channels.form import ReaderResources, RecordForm
from container.channels.recordio_reader import RecordIOReader
from container.channels.team import Team
from container.conversion import csv_rows
from container.conversion.csv_rows import CSVRows
from container.conversion.recordio_rows import RecordIORows
from container.conversion.table import Options
from container.errors import CustomerError
from container.files import json_object
from container.formats.errors import FormatError
from container.formats.recordio import frames, records, wire
from container.formats.recordio.record_pb2 import Record
from container.serving.codecs import CODECS
from tests.container.channels.conftest import part
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO
from tests.operations import operations

FEATURES = 3
# The size of the parts of requests and of the windows on files, in bytes.
PART_BYTES = 1 << 12
FEW, MANY = 20_000, 80_000
# Of a file to convert more than this is read at once, and then twice as much.
FEW_OF_FILE, MANY_OF_FILE = 70_000, 280_000
MAGIC = struct.pack("<I", wire.MAGIC)


def repeated(piece: bytes) -> Callable[[int], bytes]:
    return lambda size: piece * (size // len(piece))


def around(before: bytes, piece: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: before + piece * (size // len(piece)) + after


def names(size: int) -> Iterator[str]:
    return (f'"{number}": 0' for number in range(size // 10))


def framed(*, keys: tuple[int, ...] = (), uid: str = "", shape: tuple[int, ...] = ()) -> bytes:
    record = Record(uid=uid)
    tensor = record.features["values"].float32_tensor
    tensor.values.extend([1.0] * (len(keys) or FEATURES))
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    return records.encode([record])


def uids_of_many_lengths(size: int) -> bytes:
    return b"".join(framed(uid="u" * (number * 7919 % 400)) for number in range(size // 250))


CSV_BODIES = {
    "line ends": repeated(b"\n"),
    "line ends of another kind": repeated(b"\r\n"),
    "line ends before a row": around(b"", b"\n", b"1,2,3\n"),
    "line ends between rows": around(b"1,2,3\n", b"\r\n", b"1,2,3\n"),
    "one long line": repeated(b"1,"),
    "one long cell": repeated(b"1"),
    "one long cell of blanks": repeated(b" "),
    "one long quotation": around(b'"', b"1,"),
    "rows": repeated(b"1,2,3\n"),
    "rows in quotation marks": repeated(b'"1","2","3"\n'),
    "returns": repeated(b"\r"),
}
JSON_BODIES = {
    "instances": around(b'{"instances": [[0,0,0]', b',{"features":[1,2,3]}', b"]}"),
    "sparse instances": around(b"[[0,0,0]", b',{"features":{"keys":[1,1],"values":[1,2]}}', b"]"),
    "blanks": repeated(b" "),
    "blanks between instances": around(b"[[0,0,0]", b" ", b", [0,0,0]]"),
    "empty lists": around(b"[[]", b",[]", b"]"),
    "lists in lists": repeated(b"["),
    "names": lambda size: f"{{{','.join(names(size))}}}".encode(),
    "names, the last one twice": lambda size: f'{{{",".join(names(size))}, "z": 1, "z": 2}}'.encode(),
    "names next to features, the last one twice": lambda size: (
        f'[{{"features": [1,2,3], {",".join(names(size))}, "z": 1, "z": 2}}]'.encode()
    ),
    "a long row": around(b"[1", b",1", b"]"),
    "many keys": around(b'{"features": {"keys": [1', b",1", b'], "values": [1]}}'),
    "no end": around(b'{"instances": [[0,0,0]', b",[0,0,0]"),
}
JSON_LINES_BODIES = {
    **JSON_BODIES,
    "line ends": repeated(b"\n"),
    "lines of blanks": repeated(b" \n"),
    "line ends before a row": around(b"", b"\r\n", b"[1,2,3]"),
    "lines": repeated(b'{"features": [1,2,3]}\n'),
}
RECORDIO_BODIES = {
    "plain records": repeated(framed()),
    "sparse records": repeated(framed(keys=(0, 2), shape=(1, 3)) + framed(keys=(1, 1))),
    "uids of many lengths": uids_of_many_lengths,
    "empty parts of a record": around(part(1, b""), part(2, b""), part(3, b"")),
    "empty parts without an end": around(part(1, b""), part(2, b"")),
    "split records": repeated(part(1, framed()[8:12]) + part(3, framed()[16:])),
    "split records among whole ones": repeated(framed() + part(1, framed()[8:12]) + part(3, framed()[16:])),
    "empty records": repeated(part(0, b"")),
    "records with the magic in them": repeated(part(0, framed()[8:] + b"\x1a\x0f" + b"   " + MAGIC * 3)),
    "one long record": lambda size: frames.frame(bytes(size)),
    "one long record without its frame": lambda size: records.dense_record(np.ones(size // 4)).SerializeToString(),
    "one long record without an end": lambda size: frames.frame(bytes(size))[:-4],
    "many features without a frame": repeated(framed()[8:]),
    "no records": repeated(b"\0"),
}
BODIES = {
    (content_type, name): body
    for content_type, bodies in {
        CSV: CSV_BODIES,
        JSON: JSON_BODIES,
        JSON_LINES: JSON_LINES_BODIES,
        RECORDIO: RECORDIO_BODIES,
    }.items()
    for name, body in bodies.items()
}
FILES = {key: body for key, body in BODIES.items() if key[0] in (CSV, RECORDIO)}


def check(work: Callable[[int], object], few: int = FEW, many: int = MANY) -> None:
    """Four times as much takes four times as many operations, not sixteen times.

    Where a buffer grows by doubling, they are a few times more for one size than for another.
    """

    def cost(size: int) -> int:
        return operations(lambda: work(size))

    cost(few)  # What is imported or made once.
    assert cost(many) < 8 * cost(few)


@pytest.mark.parametrize(("content_type", "name"), BODIES)
def test_requests(content_type: str, name: str) -> None:
    bodies = {size: BODIES[content_type, name](size) for size in (FEW, MANY)}

    def read(size: int) -> None:
        body = bodies[size]
        parts = (body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES))
        with suppress(FormatError):
            for _ in CODECS[content_type].decode(parts, FEATURES):
                pass

    check(read)


@pytest.mark.parametrize(("content_type", "name"), FILES)
def test_channels(content_type: str, name: str) -> None:
    bodies = {size: BODIES[content_type, name](size) for size in (FEW, MANY)}
    kind = CSVReader if content_type == CSV else RecordIOReader
    out = np.empty((64, FEATURES), np.float32)
    form, resources = RecordForm(FEATURES, 0), ReaderResources(PART_BYTES)

    def read(size: int) -> None:
        with suppress(FormatError):
            reader = kind(io.BytesIO(bodies[size]), form, resources)
            while reader.read(out):
                pass

    def count(size: int) -> None:
        with suppress(FormatError):
            kind(io.BytesIO(bodies[size]), form, resources).count(guess=False)

    check(read)
    check(count)


@pytest.mark.parametrize("name", CSV_BODIES)
def test_channels_that_a_team_reads(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(CSVReader, "piece_bytes", PART_BYTES // 8)
    bodies = {size: CSV_BODIES[name](size) for size in (FEW, MANY)}
    out = np.empty((1024, FEATURES), np.float32)

    def read(size: int) -> None:
        with suppress(FormatError):
            reader = CSVReader(io.BytesIO(bodies[size]), RecordForm(FEATURES, 0), ReaderResources(team=Team(2)))
            while reader.read(out):
                pass

    check(read)


@pytest.mark.parametrize(
    ("content_type", "name", "options"),
    [
        (*file, options)
        for options in (Options(), Options(gaps=True))
        for file in FILES
        if file[0] == CSV or not options.gaps
    ],
)
def test_files_to_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content_type: str, name: str, options: Options
) -> None:
    monkeypatch.setattr(csv_rows, "PART_BYTES", PART_BYTES)
    for size in (FEW_OF_FILE, MANY_OF_FILE):
        (tmp_path / str(size)).write_bytes(BODIES[content_type, name](size))

    def read(size: int) -> None:
        path = tmp_path / str(size)
        with suppress(FormatError):
            rows = CSVRows(path, options) if content_type == CSV else RecordIORows(path, [path])
            rows.count()
            for _ in rows.blocks():
                pass

    check(read, FEW_OF_FILE, MANY_OF_FILE)


def test_configuration(tmp_path: Path) -> None:
    for size in (FEW, MANY):
        (tmp_path / str(size)).write_bytes(JSON_BODIES["names, the last one twice"](size))

    def read(size: int) -> None:
        with suppress(CustomerError):
            json_object.read(tmp_path / str(size), CustomerError)

    check(read)
    assert json.loads((tmp_path / str(FEW)).read_text())["z"] == 2
