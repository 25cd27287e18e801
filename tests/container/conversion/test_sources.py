"""Which format a file or a folder is taken for, and what is refused."""

import gzip
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from container import convert
from container.formats.recordio.layout import dense_frames


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
            (path / "x.gz").write_bytes(gzip.compress(b"1,2\n"))
        case "torn gzip":
            (path / "x.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 1000)[:-9])
        case "no gzip":
            (path / "x.csv.gz").write_text("1,2,3,4,5,6,7,8\n")
        case "parquet in gzip":
            pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), csv)
            (path / "x.csv.gz").write_bytes(gzip.compress(csv.read_bytes()))
            csv.unlink()
        case "zip named npy":
            with npy.open("wb") as stream:
                np.savez(stream, rows)
        case "returns":
            csv.write_bytes(b"1,2\r3,4\r")
        case "header":
            csv.write_text("a,b\n1,2\n")
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
        ("torn gzip", "expected gzip, got a broken file: Compressed file ended"),
        ("no gzip", "record 1: expected gzip, got text"),
        ("parquet in gzip", "record 1: expected CSV, got Parquet"),
        ("header", "record 1: expected numbers, got names of columns: --header reads them"),
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
def test_a_file_that_is_no_table_of_numbers_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "given"
    folder.mkdir()
    source = hostile(folder, kind)
    assert convert.main([str(source), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(source) in error
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("option", [["--labels", "1"], ["--columns", "0"], ["--missing", "drop"]])
def test_options_for_tables_are_refused_for_recordio(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    (tmp_path / "rows.pbr").write_bytes(dense_frames(rows).tobytes())
    assert convert.main([str(tmp_path / "rows.pbr"), str(tmp_path / "back.npy"), *option]) == 2
    assert "--labels, --columns and --missing are for tables" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["rows.pbr"]


def test_files_that_are_no_data_are_left_out_and_named(
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


def test_a_folder_is_read_by_its_files_whatever_its_name(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    shards = tmp_path / "rows.parquet"
    (shards / "sub").mkdir(parents=True)
    (shards / "part-0.pbr").write_bytes(dense_frames(rows).tobytes())
    assert convert.main([str(shards), str(tmp_path / "back.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), rows)
    # As Spark writes them.
    (shards / "part-0.pbr").unlink()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), shards / "sub/part-0.snappy.parquet")
    assert converted(shards).tolist() == [[1]]


def converted(source: Path, *options: str) -> NDArray[np.float32]:
    back = source.with_name("back.npy")
    assert convert.main([str(source), str(back), *options]) == 0
    rows: NDArray[np.float32] = np.load(back)
    return rows


@pytest.mark.parametrize("name", ["rows", "rows.csv", "rows.csv.gz", "rows.npz", "rows.pq", "ROWS.PARQUET"])
def test_parquet_is_recognized_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0], "b": [3, 4]}), tmp_path / name)
    assert converted(tmp_path / name).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.tsv", b"1\t2\n3\t4\n"),
        ("rows.csv.gz", gzip.compress(b"1,2\n", mtime=0) + gzip.compress(b"3,4\n", mtime=0)),
        ("Rows.TSV.GZ", gzip.compress(b"1\t2\r\n3\t4", mtime=0)),
    ],
)
def test_other_text_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert converted(tmp_path / name).tolist() == [[1, 2], [3, 4]]


def test_the_files_of_a_folder_are_parts_of_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "table"
    (folder / "sub").mkdir(parents=True)
    (folder / "0.csv").write_text("a,b\n1,2\n3,4\n")
    (folder / "1.csv.gz").write_bytes(gzip.compress(b"a,b\r\n5,6"))
    (folder / "2.tsv").write_text("a\tb\n")
    pyarrow.parquet.write_table(pyarrow.table({"a": [7], "b": [8]}), folder / "sub/0")
    (folder / "sub/empty").touch()
    (folder / "_SUCCESS").touch()
    assert converted(folder, "--header").tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert capsys.readouterr().err == f"{folder}: left out 1 files or folders that are no data, '_SUCCESS'\n"
    shards = tmp_path / "shards"
    assert convert.main([str(folder), str(shards), "--shards", "3", "--header"]) == 0
    assert converted(shards).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_columns_in_the_names_of_folders_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "table"
    for year in (2024, 2025):
        (folder / f"year={year}/day=1").mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.table({"a": [year]}), folder / f"year={year}/day=1/0.parquet")
    assert converted(folder).tolist() == [[2024], [2025]]
    assert capsys.readouterr().err == f"{folder}: left out the columns of partitions, 'day', 'year'\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("1.csv", b"1,2,3\n", "/1.csv: expected 2 columns, as "),
        ("1.csv", b"1,2\n3,x\n", "/1.csv, record 2, column 1: expected a number, got 'x'"),
        ("1.csv", b"\r\n", "/1.csv: expected a column of numbers, got 0 columns"),
        ("README", b"Rows of numbers", ": expected parts of a table (.csv, .csv.gz, .tsv, "),
    ],
)
def test_a_part_that_does_not_fit_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "0.csv").write_text("1,2\n")
    (folder / name).write_bytes(content)
    assert convert.main([str(folder), str(tmp_path / "back.npy")]) == 2
    assert f"{folder}{said}" in capsys.readouterr().err


def test_parts_with_other_names_of_columns_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "0.csv").write_text("a,b\n1,2\n")
    (folder / "1.csv").write_text("b,a\n2,1\n")
    assert convert.main([str(folder), str(tmp_path / "back.npy"), "--header"]) == 2
    said = f"{folder}/1.csv: expected the column 'a', as {folder}/0.csv has, got 'b'\n"
    assert capsys.readouterr().err == said
    assert converted(folder, "--header", "--columns", "a,b").tolist() == [[1, 2], [1, 2]]


def test_parts_with_and_without_names_go_together(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1], "b": [2]}), folder / "0.parquet")
    (folder / "1.csv").write_text("3,4\n")
    assert converted(folder).tolist() == [[1, 2], [3, 4]]


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table").mkdir()
    for name in ("", "table/0.csv"):
        (tmp_path / name).touch()
        assert convert.main([str(tmp_path / "table"), str(tmp_path / "back.npy")]) == 2
        assert ", got none\n" in capsys.readouterr().err
