"""`python -m container.convert`: files of every format, there and back."""

import gzip
import os
import pickle
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from container import convert
from container.conversion import recordio_rows
from container.conversion.rows import Rows
from container.conversion.watched import Watched
from container.formats.recordio.layout import dense_frames
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import decode, dense_record, encode
from container.formats.recordio.sparse_kernel import sparse_frames
from kmeans.types import FloatArray
from tests.container.disk import files_in, room_for
from tools.documents import ROOT


@pytest.fixture
def rows() -> NDArray[np.float32]:
    rows = np.random.default_rng(0).normal(size=(1000, 150)).astype(np.float32)
    rows[::2] *= rows[::2] > 1
    rows[7] = 0
    return rows


def write(path: Path, rows: NDArray[np.float32]) -> None:
    match path.suffix:
        case ".npy":
            np.save(path, rows)
        case ".npz":
            np.savez_compressed(path, rows)
        case ".csv":
            path.write_text("".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()))
        case ".parquet":
            names = [str(column) for column in range(rows.shape[1])]
            pyarrow.parquet.write_table(pyarrow.table(list(rows.T.copy()), names=names), path, row_group_size=300)


@pytest.mark.parametrize("d", [1, 2, 129, 20_000])
def test_frames_are_those_of_the_reference(d: int) -> None:
    rows = np.random.default_rng(d).normal(size=(20, d)).astype(np.float32)
    assert dense_frames(rows).tobytes() == encode(map(dense_record, rows))
    rows[rows < 1] = 0
    back, records = decode(sparse_frames(rows).tobytes(), d)
    np.testing.assert_array_equal(back, rows)
    counts = [len(record.features["values"].float32_tensor.values) for record in records]
    assert counts == (rows != 0).sum(axis=1).tolist()


@pytest.mark.parametrize("more", [[], ["--shards", "7"], ["--sparse", "--shards", "2"]])
@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz", ".parquet"])
def test_there_and_back_nothing_changes(
    tmp_path: Path, rows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, suffix: str, more: list[str]
) -> None:
    monkeypatch.setattr("container.conversion.rows.BLOCK_BYTES", 64 * 150 * 4)
    source, shards, back = tmp_path / f"rows{suffix}", tmp_path / "out", tmp_path / f"back{suffix}"
    write(source, rows)
    assert convert.main([str(source), str(shards), *more]) == 0
    files = sorted(shards.iterdir())
    assert len(files) == (int(more[-1]) if more else 1)
    parts = [len(decode(file.read_bytes(), 150)[0]) for file in files]
    assert sum(parts) == 1000
    assert max(parts) - min(parts) <= 1
    assert convert.main([str(shards), str(back)]) == 0
    assert convert.main([str(back), str(tmp_path / "again.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "again.npy"), rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "out", back.name, "again.npy"])


def test_records_of_several_kinds_are_read_from_one_file(
    tmp_path: Path, rows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("container.conversion.rows.BLOCK_BYTES", 64 * 150 * 4)
    shards = tmp_path / "shards"
    shards.mkdir()
    parts = [dense_frames(rows[:200]), sparse_frames(rows[200:400]), dense_frames(rows[400:600])]
    (shards / "1").write_bytes(b"".join(part.tobytes() for part in parts))
    (shards / "2").write_bytes(dense_frames(rows[600:]).tobytes())
    for suffix in (".npy", ".npz"):
        assert convert.main([str(shards), str(tmp_path / f"back{suffix}")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), rows)
    np.testing.assert_array_equal(np.load(tmp_path / "back.npz")["rows"], rows)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frames: frames[:-1], "record 1000: expected"),
        (lambda frames: frames + b"1", "record 1001: expected"),
        (lambda frames: frames.replace(np.float32(8.5).tobytes(), b"\0\0\xc0\x7f"), "record 501, column 2: expected a"),
    ],
)
def test_a_fault_behind_plain_records_is_found_in_its_place(
    tmp_path: Path,
    rows: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[bytes], bytes],
    said: str,
) -> None:
    monkeypatch.setattr("container.conversion.rows.BLOCK_BYTES", 64 * 150 * 4)
    rows[500, 2] = 8.5
    shards, file, back = tmp_path / "shards", tmp_path / "shards/part-0.pbr", tmp_path / "back.npy"
    shards.mkdir()
    file.write_bytes(change(dense_frames(rows).tobytes()))
    assert convert.main([str(file), str(back)]) == 2
    assert capsys.readouterr().err.startswith(f"{file}, {said}")
    assert convert.main([str(shards), str(back)]) == 2
    assert capsys.readouterr().err.startswith(f"{shards}/part-0.pbr, {said}")
    assert not back.exists()


def test_no_memory_is_taken_for_a_length_that_a_sparse_record_only_claims(tmp_path: Path) -> None:
    record = Record()
    record.features["values"].float32_tensor.shape.append(1 << 27)
    (tmp_path / "rows.pbr").write_bytes(encode([record]))
    with (tmp_path / "rows.pbr").open("rb", buffering=0) as stream:
        tracemalloc.start()
        assert list(recordio_rows._plain_rows(stream, 1 << 27)) == []
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
        assert stream.tell() == 0


def test_plain_records_are_read_without_the_kernels_which_take_a_second_to_load(
    tmp_path: Path, rows: NDArray[np.float32]
) -> None:
    (tmp_path / "rows.pbr").write_bytes(dense_frames(rows).tobytes())
    program = "import sys; from container import convert; print(convert.main(sys.argv[1:]), 'numba' in sys.modules)"
    arguments = [sys.executable, "-c", program, "rows.pbr", "back.npy"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    assert (tmp_path / "back.npy").is_file()


def test_labels_are_not_dropped_from_records_which_hold_them_apart(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.pbr").write_bytes(dense_frames(rows).tobytes())
    with pytest.raises(SystemExit, match="2"):
        convert.main([str(tmp_path / "rows.pbr"), str(tmp_path / "back.npy"), "--labels", "1"])
    assert "--labels is for " in capsys.readouterr().err


def test_labels_are_dropped_and_other_types_and_orders_are_read(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    np.save(tmp_path / "rows.npy", np.asfortranarray(rows.astype(np.float64)))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out"), "--labels", "2"]) == 0
    back, _ = decode((tmp_path / "out/part-00000.pbr").read_bytes(), 148)
    np.testing.assert_array_equal(back, rows[:, 2:])


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("unpickled"),)


def hostile(path: Path, kind: str) -> Path:
    rows = np.ones((10, 3), np.float32)
    npy, npz, csv = path / "x.npy", path / "x.npz", path / "x.csv"
    match kind:
        case "pickle":
            npy.write_bytes(pickle.dumps(Evil()))
        case "objects":
            np.save(npy, np.array([[Evil()]], object), allow_pickle=True)
        case "torn":
            np.save(npy, rows)
            npy.write_bytes(npy.read_bytes()[:-1])
        case "claims":
            with npy.open("wb") as stream:
                header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 50, 3)}
                np.lib.format.write_array_header_1_0(stream, header)
        case "no header":
            npy.write_bytes(b"\x93NUMPY\x01\0\x04\0((((")
        case "vector":
            np.save(npy, rows[0])
        case "nan":
            rows[4, 1] = np.nan
            np.save(npy, rows)
        case "two arrays":
            np.savez(npz, rows, rows)
        case "no archive":
            npz.write_bytes(b"PK")
        case "bad checksum":
            np.savez(npz, rows)
            data = bytearray(npz.read_bytes())
            data[data.index(b"NUMPY") + 200] ^= 1
            npz.write_bytes(data)
        case "bad lzma" | "bad bzip2":
            np.save(npy, rows)
            with zipfile.ZipFile(npz, "w", zipfile.ZIP_LZMA if kind == "bad lzma" else zipfile.ZIP_BZIP2) as archive:
                archive.write(npy, "x.npy")
            npy.unlink()
            data = bytearray(npz.read_bytes())
            data[50:60] = bytes(10)
            npz.write_bytes(data)
        case "bad deflate":
            np.savez_compressed(npz, rows)
            data = bytearray(npz.read_bytes())
            data[50:60] = bytes(10)
            npz.write_bytes(data)
        case "offset beyond":
            np.savez(npz, rows)
            data = bytearray(npz.read_bytes())
            entry = data.index(b"PK\x01\x02")
            data[entry + 42 : entry + 46] = b"\xff\xff\xff\xee"
            npz.write_bytes(data)
        case "pickle in archive":
            with zipfile.ZipFile(npz, "w") as archive:
                archive.writestr("x.npy", pickle.dumps(Evil()))
        case "gzip":
            csv.with_suffix(".csv.gz").write_bytes(gzip.compress(b"1,2\n"))
        case "parquet named csv":
            pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), csv)
        case "zip named npy":
            with npy.open("wb") as stream:
                np.savez(stream, rows)
        case "returns":
            csv.write_bytes(b"1,2\r3,4\r")
        case "words":
            csv.write_text("1,2\n3,four\n")
        case "ragged":
            csv.write_text("1,2\n3\n")
        case "empty":
            csv.write_text("")
        case "text column":
            pyarrow.parquet.write_table(pyarrow.table({"a": ["x"]}), path / "x.parquet")
        case "null":
            pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, None]}), path / "x.parquet")
        case "no parquet":
            (path / "x.parquet").write_bytes(b"PAR1")
        case "no records":
            (path / "x.pbr").write_bytes(b"no record at all")
    (file,) = path.iterdir()
    return file


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pickle", "expected .npy, got a Python pickle"),
        ("objects", "expected numbers, got elements of the type '|O'"),
        ("torn", "bytes for an array of the shape (10, 3)"),
        ("claims", "bytes for an array of the shape"),
        ("no header", "expected a header of descr, fortran_order and shape"),
        ("vector", "two dimensions, got the shape (3,)"),
        ("nan", "record 5, column 1: expected a number, got nan"),
        ("two arrays", "expected one array in the archive, got 2"),
        ("no archive", "expected an archive of numpy.savez"),
        ("bad checksum", "expected an archive of numpy.savez, got a broken one: Bad CRC-32"),
        ("bad lzma", "expected an array stored or deflated, as by numpy.savez, got one compressed by LZMA"),
        ("bad bzip2", "got one compressed by bzip2"),
        ("bad deflate", "expected an archive of numpy.savez, got a broken one"),
        ("offset beyond", "expected an archive of numpy.savez, got a broken one"),
        ("pickle in archive", "expected an array of numpy.save"),
        ("gzip", "record 1: expected RecordIO, got gzip: unpack it with gunzip"),
        ("parquet named csv", "record 1: expected CSV, got Parquet"),
        ("zip named npy", "record 1: expected .npy, got a ZIP archive"),
        ("returns", "record 1: expected lines that end in LF or CR LF, got CR alone"),
        ("words", "record 2, column 1: expected a number, got 'four'"),
        ("ragged", "record 2: expected 2 columns, got 1"),
        ("empty", "expected a column of numbers, got 0 columns"),
        ("text column", "expected columns of numbers, got 'a' of the type string"),
        ("null", "expected a number in column 'a', got none"),
        ("no parquet", "expected Parquet"),
        (
            "no records",
            "record 1: expected RecordIO, got text: CSV has the content type text/csv, and a name that ends",
        ),
    ],
)
def test_what_is_not_a_table_of_numbers_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "given"
    folder.mkdir()
    source = hostile(folder, kind)
    assert convert.main([str(source), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert str(source) in told
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("target", ["out", "out.csv"])
def test_what_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("rows.npy"), np.ones((2, 2), np.float32))
    Path("folder.csv").mkdir()
    assert convert.main(["rows.npy", "folder.csv"]) == 2
    assert "folder.csv: expected a file to write, got a folder" in capsys.readouterr().err
    assert convert.main(["rows.npy", "nowhere/rows.csv"]) == 2
    assert "nowhere/rows.csv: expected a file in a folder that exists, got nowhere" in capsys.readouterr().err
    Path("file").touch()
    assert convert.main(["rows.npy", "file"]) == 2
    assert capsys.readouterr().err == "file: expected a folder, got a file\n"
    for arguments in (
        ["rows.npy", f"s3://bucket/{target}"],
        ["S3a://bucket/rows.npy", target],
        ["s3:/b/rows.npy", target],
    ):
        with pytest.raises(SystemExit, match="2"):
            convert.main(arguments)
        assert "expected a path on this machine, got '" in capsys.readouterr().err
    for arguments in (["", target], ["rows.npy", ""]):
        with pytest.raises(SystemExit, match="2"):
            convert.main(arguments)
        assert "expected a path, got nothing" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.csv", "rows.npy"]


def test_what_is_no_data_in_a_folder_is_left_out_and_named(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "part-0.pbr").write_bytes(dense_frames(rows).tobytes())
    (shards / "manifest").write_text('{"entries": []}')
    (shards / "_SUCCESS").touch()
    assert convert.main([str(shards), str(tmp_path / "back.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), rows)
    said = "left out 2 files or folders that are no data, '_SUCCESS', 'manifest'"
    assert capsys.readouterr().err == f"{shards}: {said}\n"


def test_a_folder_is_recordio_whatever_it_is_called(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    shards = tmp_path / "rows.parquet"
    (shards / "sub").mkdir(parents=True)
    (shards / "part-0.pbr").write_bytes(dense_frames(rows).tobytes())
    assert convert.main([str(shards), str(tmp_path / "back.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), rows)
    with pytest.raises(SystemExit, match="2"):
        convert.main([str(shards), str(tmp_path / "back.npy"), "--labels", "1"])
    assert "--labels is for" in capsys.readouterr().err
    # As Spark writes them.
    (shards / "part-0.pbr").unlink()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), shards / "sub/part-0.snappy.parquet")
    assert convert.main([str(shards), str(tmp_path / "back.npy")]) == 2
    said = "sub/part-0.snappy.parquet, record 1: expected RecordIO, got Parquet: `python -m container.convert`"
    assert capsys.readouterr().err.startswith(f"{shards}/{said}")


def test_a_link_to_an_empty_folder_is_written_through(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "not-there-yet"):
        link = tmp_path / f"link to {name}"
        link.symlink_to(name)
        np.save(tmp_path / "rows.npy", rows)
        assert convert.main([str(tmp_path / "rows.npy"), str(link)]) == 0
        assert link.is_symlink()
        assert [path.name for path in (tmp_path / name).iterdir()] == ["part-00000.pbr"]


def test_what_is_said_of_a_broken_archive_does_not_show_it(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, rows)
    content = bytearray(path.read_bytes())
    # The length of the name, beside that in the directory at the end.
    content[27] = 0xFF
    path.write_bytes(content)
    assert convert.main([str(path), str(tmp_path / "out.npy")]) == 2
    said = capsys.readouterr().err
    assert "expected an archive of numpy.savez, got a broken one" in said
    assert len(said) < 500


@pytest.mark.parametrize(
    ("dtype", "number", "rounded"),
    [
        ("?", 1, 1.0),
        ("u1", 255, 255.0),
        (">u2", 65535, 65535.0),
        ("<u8", 2**63 + 2**39 + 1, 2.0**63 + 2.0**40),
        (">i8", 2**60 + 2**36 + 1, 2.0**60 + 2.0**37),
        ("<f2", 0.1, float(np.float16(0.1))),
        (">f8", 1 + 2.0**-24 + 2.0**-50, 1 + 2.0**-23),
        ("g", np.longdouble(1 + 2.0**-24) + np.longdouble(2.0**-60), 1 + 2.0**-23),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_type_are_rounded_once(
    tmp_path: Path, dtype: str, number: Any, rounded: float, order: Literal["C", "F"]
) -> None:
    np.save(tmp_path / "rows.npy", np.array([[0, number, 1], [number, 0, 0]], dtype, order=order))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out")]) == 0
    back, _ = decode((tmp_path / "out/part-00000.pbr").read_bytes(), 3)
    assert back.tolist() == [[0, rounded, 1], [rounded, 0, 0]]


@pytest.mark.parametrize("target", ["rows.csv", "rows.npy", "folder"])
def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path, target: str) -> None:
    source = tmp_path / "source.npy"
    # A file of holes takes no room.
    np.lib.format.open_memmap(source, mode="w+", dtype=np.float32, shape=(50_000_000, 40))
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", convert.__name__, source, out / target],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not any(out.iterdir()):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert log == ""
    assert list(out.iterdir()) == []


# In the moment in which a hidden folder has been made, and nothing has been done with it yet.
INTERRUPTED_AT_THE_FIRST_FOLDER = """
import os, runpy, signal, sys
made = os.mkdir
def mkdir(path, *arguments, **named):
    made(path, *arguments, **named)
    if os.path.basename(path).startswith("."):
        os.kill(os.getpid(), signal.SIGINT)
os.mkdir = mkdir
runpy.run_module("container.convert", run_name="__main__", alter_sys=True)
"""


def test_an_interrupt_at_the_first_folder_leaves_nothing(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    np.save(tmp_path / "rows.npy", rows)
    paths = [str(tmp_path / "rows.npy"), str(tmp_path / "out")]
    command = [sys.executable, "-c", INTERRUPTED_AT_THE_FIRST_FOLDER, *paths]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


def test_a_folder_with_files_is_not_added_to(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    write(tmp_path / "rows.npy", rows)
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.pbr").touch()
    assert convert.main([str(tmp_path / "rows.npy"), str(out)]) == 2
    assert [path.name for path in out.iterdir()] == ["old.pbr"]
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "new"), "--shards", "2000"]) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("part", [1, 7, 1000])
def test_parts_of_csv_make_the_whole(
    tmp_path: Path, rows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, end: str, part: int
) -> None:
    monkeypatch.setattr("container.conversion.csv_rows.PART_BYTES", part)
    lines = [",".join(map(repr, row)) for row in rows[:100, :3].tolist()]
    (tmp_path / "rows.csv").write_text("\ufeff" + end.join(lines) + 3 * end, newline="")
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out"), "--shards", "3"]) == 0
    assert convert.main([str(tmp_path / "out"), str(tmp_path / "back.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), rows[:100, :3])


@pytest.mark.parametrize(
    ("fault", "said"),
    [("", "got an empty line"), ("1,2", "got 2"), ("1,x,3", "got 'x'"), ("\ufeff1,2,3", "got '\\ufeff1'")],
)
def test_a_fault_amid_parts_of_csv_is_found_in_its_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    said: str,
) -> None:
    monkeypatch.setattr("container.conversion.csv_rows.PART_BYTES", 60)
    lines = ["1.5,2.5,3.5"] * 500
    lines[321] = fault
    (tmp_path / "rows.csv").write_text("\n".join([*lines, "1,2"]))
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "record 322" in told
    assert said in told
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what a process has")
def test_a_want_of_memory_is_said(tmp_path: Path) -> None:
    with (tmp_path / "rows.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1, 1 << 27)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + (1 << 30))
    program = """
import resource, sys
from pathlib import Path
from container import convert
limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(convert.main(sys.argv[1:]))
"""
    arguments = [sys.executable, "-c", program, "rows.npy", "out"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "rows.npy: expected more memory than there is\n")


def test_a_line_without_an_end_is_not_read_on_and_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("container.conversion.csv_rows.PART_BYTES", 60)
    monkeypatch.setattr("container.conversion.csv_rows.MAX_ROW_BYTES", 100)
    (tmp_path / "rows.csv").write_text("1\n" * 40 + "1" * 200 + "\n")
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out")]) == 2
    assert "expected a line of fewer than 100 bytes, got a longer one" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["out", "empty", "out.csv", "out.npy", "out.npz", "out.parquet"])
def test_a_full_disk_ends_with_an_error_that_names_the_file_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: NDArray[np.float32], target: str
) -> None:
    write(tmp_path / "rows.npy", rows)
    (tmp_path / "empty").mkdir()
    with room_for(100_000):
        assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / target)]) == 3
    assert f"File too large: '{tmp_path / target}" in capsys.readouterr().err
    assert files_in(tmp_path) == ["empty", "rows.npy"]


def test_a_source_that_cannot_be_read_to_its_end_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The kernel reads nothing at the address 0.
    (tmp_path / "rows.csv").symlink_to("/proc/self/mem")
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out")]) == 3
    assert f"{tmp_path / 'rows.csv'}: [Errno 5]" in capsys.readouterr().err


def test_a_name_that_is_no_text_is_written_with_backslashes(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    write(tmp_path / "rows.npy", rows)
    done = subprocess.run(
        [sys.executable, "-m", "container.convert", tmp_path / "rows.npy", tmp_path / "out\udcff"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "out\\udcff: 1,000 rows" in done.stdout


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv"])
def test_features_that_float32_is_too_coarse_for_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=20_000), 1.7e9 + rng.integers(7200, size=20_000), np.full(20_000, 1.7e9)])
    if name.endswith("npy"):
        np.save(tmp_path / name, rows)
    else:
        np.savetxt(tmp_path / name, rows, "%.17g", ",")
    assert convert.main([str(tmp_path / name), str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert told.startswith(
        f"{tmp_path / 'out'}: float32 is too coarse for the values of feature 1 (steps of 128, half of"
    )
    assert told.count("(steps of") == 1


def test_blocks_are_looked_at_all_over_a_source() -> None:
    class Source(Rows):
        n_features = 1

        def count(self) -> int:
            return 0

        def blocks(self) -> Iterator[FloatArray]:
            # Sorted as times mostly are: in no block are there many, in all together there are enough.
            for begin in range(1000):
                yield (1.7e9 + 1e6 * (begin + np.arange(100)[:, None] / 100)).astype(np.float32)

    watched = Watched(Source())
    assert sum(map(len, watched.blocks())) == 100_000
    assert watched.coarse() == ""
