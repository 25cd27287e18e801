"""Oddities of the folders of the train and the test channel: names, kinds and contents of what is in them."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
from contextlib import suppress
from random import Random

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from container.formats.recordio.frames import frame
from container.formats.recordio.record_pb2 import Record
from tests.container.fuzz import values
from tests.container.fuzz.kinds import put_odd_kind
from tests.container.fuzz.trees import CONTENT_TYPES, Oddity, Rows, Tree, content, good_rows


def odd_names(tree: Tree, rng: Random) -> None:
    """Rename files, into folders of odd names too."""
    for path in tree.data_files()[: rng.randrange(1, 3)]:
        folder = tree.train / rng.choice(values.ODD_NAMES) if rng.random() < 0.4 else tree.train
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
        name = rng.choice(values.ODD_NAMES)
        target = folder / (name + path.suffix if rng.random() < 0.4 else name)[-255:]
        if folder.is_dir() and not os.path.lexists(target):
            path.rename(target)
            # Some names are no data's.
            tree.rows = None
            tree.oddities.append(repr(target.relative_to(tree.train)))


def odd_kinds(tree: Tree, rng: Random) -> None:
    """Put things that are no files with data next to the data."""
    if tree.has_folder:
        tree.oddities.append(
            put_odd_kind(rng, tree.train / rng.choice(("a.csv", "z.pbr", ".hidden", "x.manifest", "part-0")))
        )
        tree.rows = None


def odd_channel_folder(tree: Tree, rng: Random) -> None:
    """Make the channel's folder itself something else."""
    if tree.has_folder:
        tree.oddities.append(put_odd_kind(rng, tree.train))
        tree.rows = None


def damaged_files(tree: Tree, rng: Random) -> None:
    """Damage the bytes of a file, once or more."""
    for path in tree.data_files()[:1]:
        for _ in range(rng.randrange(1, 3)):
            path.write_bytes(values.damaged(rng, path.read_bytes()))
        tree.rows = None


def _odd_record(rng: Random) -> bytes:
    """Return the frame of a record with something unusual in it."""
    record = Record()
    kind = rng.choice(("float32_tensor", "float64_tensor", "int32_tensor", "bytes"))
    name = rng.choice(("values", "values", "values", "other", "", "\u00e9"))
    if kind == "bytes":
        record.features[name].bytes.value.append(b"\xff")
    else:
        tensor = getattr(record.features[name], kind)
        whole = kind == "int32_tensor"
        width = rng.choice((2, 2, 2, 0, 1, 3, 1000))
        tensor.values.extend([rng.randrange(-5, 5) if whole else _finite_or_not(rng, kind) for _ in range(width)])
        tensor.keys.extend(rng.choice(([], [], [0, 1], [1, 0], [0, 0], [7], [2**63], list(range(width)))))
        tensor.shape.extend(rng.choice(([], [], [2], [1, 2], [2, 1], [0], [2**63], [2**32, 2**32], [1] * 40)))
    record.uid = rng.choice(("", "x", "y" * 10_000))
    payload = record.SerializeToString()
    return frame(payload if rng.random() < 0.8 else values.damaged(rng, payload))


def _finite_or_not(rng: Random, kind: str) -> float:
    value = values.number(rng) if rng.random() < 0.3 else rng.uniform(-3, 3)
    # Protobuf refuses numbers that are too large for the field.
    return float(np.clip(value, -3.4e38, 3.4e38)) if kind == "float32_tensor" else value


def _odd_header(rng: Random) -> bytes:
    """Return a frame with an unusual header."""
    return struct.pack("<II", rng.choice((0xCED7230A, 0, 0x0A23D7CE)), rng.choice((0, 1, 3, 2**29, 2**32 - 1, 1 << 29)))


def _odd_line(rng: Random) -> bytes:
    """Return a line of CSV with something unusual in it."""
    fields = (
        "1", "1", "-2.5", "", " ", "nan", "NaN", "inf", "1e39", "1e-400", "1e999", '"1"', '"1', '""', "0x1", "1_0", "x",
        "1,2", "\ufeff1", "\x00", "\u0661", "1" * 400, "+1", "--1", "1.2.3", "1e", ".", "true", "2020-01-01", "'1'",
    )  # fmt: skip
    line = rng.choice((",", ",", ",", ";", "\t", " ")).join(rng.choices(fields, k=rng.choice((2, 2, 2, 1, 3, 50))))
    return (line + rng.choice(("\n", "\n", "\r\n", "\r", "", "\n\n", "\x0b", "\u2028"))).encode()


def odd_records(tree: Tree, rng: Random) -> None:
    """Put unusual records among the good ones."""
    for path in tree.data_files()[:1]:
        make = _odd_line if tree.form == "csv" else rng.choice((_odd_record, _odd_record, _odd_header))
        odd = b"".join(make(rng) for _ in range(rng.randrange(1, 4)))
        good = path.read_bytes()
        path.write_bytes(odd + good if rng.random() < 0.5 else good + odd)
        tree.rows = None


def _tar(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("data.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.csv", data)
    return buffer.getvalue()


def _parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"a": rows[:, 0], "b": rows[:, -1]}), buffer)
    return buffer.getvalue()


def _npy(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


def other_format(tree: Tree, rng: Random) -> None:
    """Put another format into the channel than the one it is said to have."""
    rows = good_rows()
    text = content(rows, "csv")
    name, data = rng.choice(
        (
            ("a.csv", text), ("a.pbr", content(rows, "pbr")), ("a.csv.gz", gzip.compress(text)), ("a.zip", _zip(text)),
            ("a.parquet", _parquet(rows)), ("a.npy", _npy(rows)), ("a.tar.gz", _tar(text)),
            ("a", text.decode().encode("utf-16")),
            ("a.txt", text.replace(b"\n", b"\r")), ("a.json", b'{"features": [1, 2]}\n' * 5),
            ("a.csv", b"a,b\n" + text),
            ("a.csv", b"\n" * 1000), ("a.csv", b"," * 100_000), ("a.csv", b"1" * 3_000_000), ("a.csv", b'"' * 1001),
            ("a.csv", bytes(1000)), ("a.libsvm", b"1 1:2 2:3\n"), ("a.pbr", b"\x0a\x23\xd7\xce" * 1000),
        )
    )  # fmt: skip
    if tree.has_folder:
        path = tree.train / name
        if not os.path.lexists(path):
            path.write_bytes(data)
        tree.rows = None


def odd_rows(tree: Tree, rng: Random) -> None:
    """Train on rows that are finite, and yet no ordinary ones."""
    chance = np.random.default_rng(rng.randrange(2**32))
    count = rng.choice((1, 2, 3, 4, 20, 21, 200, 2000))
    width = rng.choice((1, 2, 2, 2, 3, 7))
    rows = chance.normal(size=(count, width))
    with np.errstate(over="ignore", invalid="ignore"):
        match rng.choice((0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8)):
            case 0:
                rows[:] = values.number(rng)
            case 1:
                rows = rows[chance.integers(min(count, rng.randrange(1, 5)), size=count)]
            case 2:
                rows[chance.integers(count, size=rng.randrange(1, 4))] = rng.choice(values.FAR_NUMBERS)
            case 3:
                rows[:, 0] = values.number(rng)
            case 4:
                rows *= values.number(rng)
            case 5:
                rows += values.number(rng)
            case 6:
                rows *= 10.0 ** chance.uniform(-38, 38, size=(count, 1))
            case 7:
                rows[chance.random(rows.shape) < 0.1] = rng.choice((9.969209968386869e36, 1e20, -9999.0, 3.4028234e38))
            case _:
                rows = np.round(rows * rng.choice((1, 10)))
        found = rows.astype(np.float32)
    if not tree.has_folder:
        return
    for path in tree.data_files():
        path.unlink()
    for part, some in enumerate(np.array_split(found, rng.randrange(1, 3))):
        (tree.train / f"part-{part}.{tree.form}").write_bytes(content(some, tree.form))
    if rng.random() < 0.9:
        tree.hyperparameters["feature_dim"] = str(width)
    # A channel to which another oddity has added is not known by its rows.
    alone = tree.rows is not None
    tree.rows = found if alone else None


def odd_test_channel(tree: Tree, rng: Random) -> None:
    """Add a test channel with one of the oddities of the train channel, or none."""
    aside = Tree(tree.base, tree.earlier, tree.form, configuration={"hyperparameters": {}, "inputdataconfig": {}})
    test, train = tree.base / "input/data/test", tree.train
    if os.path.lexists(test) or not tree.has_folder:
        return
    # The oddities know the train channel: the test channel takes its place for a moment.
    kept = tree.base / "input/data/kept"
    train.rename(kept)
    train.mkdir()
    (train / f"part-0.{tree.form}").write_bytes(content(good_rows(), tree.form))
    if rng.random() < 0.8:
        rng.choice(FOLDERS)(aside, rng)
    if os.path.lexists(train):
        train.rename(test)
    kept.rename(train)
    tree.oddities += aside.oddities
    tree.setting("test", "ContentType", rng.choice((None, *CONTENT_TYPES.values(), CONTENT_TYPES[tree.form])))


def piped(tree: Tree, rng: Random) -> None:
    """Let the rows come through FIFOs, of which one may be silent, broken, or never come."""
    files, together = tree.data_files(), tree.base / "input/data/together"
    if not files or together.exists():
        return
    tree.setting("train", "TrainingInputMode", "Pipe")
    together.write_bytes(b"".join(path.read_bytes() for path in files))
    if rng.random() < 0.3:
        together.write_bytes(values.damaged(rng, together.read_bytes()))
        tree.rows = None
    for epoch in range(2):
        fifo = tree.train.with_name(f"train_{epoch}")
        match rng.random():
            case chance if chance < 0.15:
                tree.oddities.append(put_odd_kind(rng, fifo))
                tree.stop_after, tree.rows = 1.0, None
            case chance if chance < 0.3:
                # Nobody writes into it.
                os.mkfifo(fifo)
                tree.stop_after, tree.rows = 1.0, None
            case chance if chance < 0.4:
                tree.stop_after, tree.rows = 1.0, None
            case _:
                os.mkfifo(fifo)
                tree.feeds.append((together, fifo))


# Those that change the folder of the train channel alone.
FOLDERS: tuple[Oddity, ...] = (odd_names, odd_kinds, odd_channel_folder, damaged_files, odd_records, other_format)
ODDITIES: tuple[Oddity, ...] = (*FOLDERS, odd_rows, odd_rows, odd_rows, odd_test_channel, piped)
