"""Any file into `convert` and `resolve`: what is written can be read back, or a sentence says why nothing is."""

import gzip
import io
import os
import re
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import scipy.sparse
from pyarrow import parquet

from container.artifacts import model
from container.conversion.sources import open_rows
from container.conversion.table import Options
from kmeans.types import FloatArray
from tests.container.fuzz import leftovers, tallies, values
from tests.container.fuzz.fork_server import Ended, ForkServer
from tests.container.fuzz.kinds import put_odd_kind
from tests.container.fuzz.trees import content, good_rows, removed

STOP_SECONDS = 5.0
SUFFIXES = (".csv", ".npy", ".npz", ".parquet", ".pbr", "")
SOURCE_SUFFIXES = (*SUFFIXES, ".tsv", ".csv.gz")
OPTIONS: tuple[list[str], ...] = (
    *([],) * 4, ["--shards", "3"], ["--sparse"], ["--labels", "1"], ["--shards", "0"], ["--columns", "0"],
    ["--columns", "1,a"], ["--header"], ["--missing", "mean"], ["--missing", "drop"],
)  # fmt: skip


def fault(ended: Ended, written: Path, *, own_words: bool) -> str:
    """Return what is wrong with how a command ended; `own_words` are those of an error that it reported itself."""
    if ended.stopped:
        return "hang"
    if ended.exit_code not in (0, 2, 3):
        return f"exit code {ended.exit_code}: {(ended.log.splitlines() or [''])[-1]}"
    if "Traceback" in ended.log:
        return f"exit code {ended.exit_code} and a traceback"
    if ended.exit_code and not own_words:
        return f"exit code {ended.exit_code} without a sentence"
    if ended.exit_code and written.is_file() and not written.is_symlink():
        return f"exit code {ended.exit_code} and a file"
    return ""


def odd_table(rng: Random) -> pa.Table:
    """Return a table with columns of unusual types, names or numbers."""
    columns = []
    for _ in range(rng.randrange(1, 4)):
        kind = rng.choice((
            pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.int64(), pa.uint64(), pa.bool_(), pa.string(),
            pa.null(), pa.date32(), pa.timestamp("ns"), pa.list_(pa.float32()), pa.decimal128(20, 2),
        ))  # fmt: skip
        given = [rng.choice((0, 1, 2, 3, None) if rng.random() < 0.3 else (0, 1, 2)) for _ in range(10)]
        column = pa.array(given, pa.int64())
        try:
            columns.append(column.cast(kind))
        except pa.ArrowException:
            columns.append(pa.nulls(10, kind))
    if rng.random() < 0.3:
        columns[0] = pa.array([values.number(rng) for _ in range(10)])
    if rng.random() < 0.2:
        columns[0] = pa.array(["a", "b"] * 5).dictionary_encode()
    names = [rng.choice(("a", "b", "c", "", "\n", "x" * 300, "__index_level_0__")) for _ in columns]
    table = pa.table(columns, names=names)
    if rng.random() < 0.3:
        metadata = rng.choice((b"{}", b"", b"[]", b'{"index_columns": [0]}', b'{"index_columns": ["a"]}', b"\xff"))
        table = table.replace_schema_metadata({b"pandas": metadata})
    return table


def odd_matrix(rng: Random, rows: FloatArray) -> bytes:
    """Return a sparse matrix as scipy writes it, with one array mostly changed."""
    file = io.BytesIO()
    kind = scipy.sparse.coo_array(rows).asformat(rng.choice(("csr", "csr", "csr", "csc", "coo")))
    scipy.sparse.save_npz(file, kind)
    file.seek(0)
    arrays = dict(np.load(file))
    name = rng.choice(sorted(arrays))
    match rng.randrange(4):
        case 0:
            del arrays[name]
        case 1:
            arrays[name] = arrays[name][()][:-1] if arrays[name].ndim else np.array(b"csrcsr")
        case 2 if arrays[name].dtype.kind in "iuf" and arrays[name].size:
            arrays[name][rng.randrange(arrays[name].size)] = rng.choice((-1, 0, 1, 2, 2**31 - 1))
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def source(path: Path, rng: Random) -> None:
    """Write a file of the format that its suffix names, mostly good."""
    rows = good_rows()
    if rng.random() < 0.3:
        rows = np.full((rng.randrange(3), rng.randrange(3)), rng.choice((0, 1e38, np.nan, np.inf)), np.float32)
    match path.suffix:
        case ".csv" | ".tsv" | ".gz":
            text = rng.choice((b"", b"", b"a,b\n")) + content(rows, "csv") + rng.choice((b"", b"", b",1\n", b'"'))
            text = text.replace(b",", b"\t") if path.suffix == ".tsv" else text
            path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        case ".npy":
            kind = rng.choice(("<f4", ">f4", "<f8", "<f2", "<i8", "|b1", "<U3", "<c8", "<M8[s]"))
            with np.errstate(all="ignore"):
                array = rows.astype(kind) if kind != "<M8[s]" else rows.astype("<i8", casting="unsafe").view(kind)
            with path.open("wb") as file:
                np.save(file, rng.choice((array, array.T, array[None], np.asfortranarray(array), array[:, :0])))
            if rng.random() < 0.5:
                header = rng.choice((b"((((", b"{[]: 1}", b"{'descr': '<f4'}", b"\xff", b"1" * 99, b"{" * 99, b"'\\x'"))
                path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(99))
        case ".npz" if rng.random() < 0.4:
            path.write_bytes(odd_matrix(rng, rows))
        case ".npz":
            names = rng.choice((("a",), ("a", "b"), (), ("../a",)))
            save = rng.choice((np.savez, np.savez_compressed))
            with path.open("wb") as file:
                save(file, allow_pickle=False, **dict.fromkeys(names, rows))
        case ".parquet":
            parquet.write_table(odd_table(rng), path)
        case _:
            path.write_bytes(content(rows, "pbr"))
    if rng.random() < 0.4:
        path.write_bytes(values.damaged(rng, path.read_bytes()))


def converted(base: Path, server: ForkServer, seed: int) -> tuple[str, str]:
    """Convert something; return what went wrong, and what it was."""
    rng = Random(f"convert {seed}")
    name = rng.choice(values.ODD_NAMES) if rng.random() < 0.2 else "in"
    given = base / f"{name}{rng.choice(SOURCE_SUFFIXES)}"[:255]
    said = ""
    if len(os.fsencode(given.name)) > 255 or rng.random() < 0.15:
        given = base / "in.csv"
        said = put_odd_kind(rng, given)
    elif rng.random() < 0.15:
        given.mkdir()
        for number in range(rng.randrange(3)):
            source(given / f"{number}{rng.choice((given.suffix, *SOURCE_SUFFIXES))}", rng)
    else:
        source(given, rng)
    target = base / f"out{rng.choice(SUFFIXES)}"
    if rng.random() < 0.15:
        said += put_odd_kind(rng, target)
    options = rng.choice(OPTIONS)
    ended = server.run("container.convert", [str(given), str(target), *options], {}, base / "log", STOP_SECONDS)
    places = (str(given), str(target), "usage:", "Platform Error", "Customer Error")
    own_words = any(place.encode(errors="backslashreplace").decode() in ended.log for place in places)
    wrong = "" if said and ended.exit_code else fault(ended, target, own_words=own_words)
    if not ended.exit_code:
        try:
            rows = open_rows(target, Options(header="--header" in options and target.suffix == ".csv"))
            shapes = [block.shape for block in rows.blocks()]
            assert sum(length for length, _ in shapes) == int(
                re.findall(r": ([\d,]+) rows", ended.log)[0].replace(",", "")
            )
        except Exception as error:
            wrong = f"exit code 0, and what was written cannot be read: {type(error).__name__}: {error}"
    return wrong, f"{given.name!r} {target.name} {' '.join(options)} {said}"


def resolved(base: Path, earlier: Path, server: ForkServer, seed: int) -> tuple[str, str]:
    """Resolve something; return what went wrong, and what it was."""
    rng = Random(f"resolve {seed}")
    given = base / "model"
    leftovers.copy_model(earlier, given, rng)
    leftovers.change_model(given, rng)
    if (given / "model.tar.gz").is_file() and rng.random() < 0.5:
        given /= "model.tar.gz"
    said = put_odd_kind(rng, given) if rng.random() < 0.1 else ""
    out = rng.choice((base / "out.tar.gz", base / "out.tar.gz", base, base / "none" / "out.tar.gz"))
    if rng.random() < 0.1 and out.name == "out.tar.gz" and out.parent.is_dir():
        said += put_odd_kind(rng, out)
    k = rng.choice(("2", "2", "1", "3", "30", "31", "100", "0", "-1", "x", "16777216", "99999999999999999999"))
    options = []
    if rng.random() < 0.3:
        data = (earlier / "output/data/state.npz").read_bytes()
        (base / "sample").write_bytes(values.damaged(rng, data) if rng.random() < 0.7 else data)
        options = ["--sample", str(base / "sample")]
    arguments = ["--k", k, *options, str(given), str(out)]
    ended = server.run("container.resolve", arguments, {}, base / "log", STOP_SECONDS)
    own_words = bool(re.search(r"Customer Error|Platform Error|usage:|\[Errno", ended.log))
    wrong = "" if said and ended.exit_code else fault(ended, out, own_words=own_words)
    if not ended.exit_code and not wrong:
        try:
            centers = model.load(out).centers
            assert len(centers) == int(k)
            model.load_state(out)
        except Exception as error:
            wrong = f"exit code 0, and what was written is no model: {type(error).__name__}: {error}"
    return wrong, f"--k {k} {sorted(path.name for path in base.rglob('*'))} {said}"


def test_any_file_is_converted_or_refused_with_a_sentence(tmp_path: Path, earlier: Path, server: ForkServer) -> None:
    found: dict[str, str] = {}
    for seed in tallies.seeds(few=24, share=0.1):
        base = tmp_path / "files"
        base.mkdir()
        command = "convert" if seed % 3 else "resolve"
        wrong, what = converted(base, server, seed) if seed % 3 else resolved(base, earlier, server, seed)
        removed(base)
        if wrong:
            found.setdefault(tallies.kind(wrong), f"seed {seed}, {command} {what}: {wrong}")
    assert not found, f"{len(found)} kinds of faults:\n" + "\n".join(found.values())
