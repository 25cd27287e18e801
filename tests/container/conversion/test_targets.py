"""What is written appears whole or not at all."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from container import convert
from tests.container.disk import files_in, room_for


def test_a_link_to_an_empty_folder_is_written_through(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "not-there-yet"):
        link = tmp_path / f"link to {name}"
        link.symlink_to(name)
        np.save(tmp_path / "rows.npy", rows)
        assert convert.main([str(tmp_path / "rows.npy"), str(link)]) == 0
        assert link.is_symlink()
        assert [path.name for path in (tmp_path / name).iterdir()] == ["part-00000.pbr"]


def test_a_folder_with_files_is_not_added_to(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    np.save(tmp_path / "rows.npy", rows)
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.pbr").touch()
    assert convert.main([str(tmp_path / "rows.npy"), str(out)]) == 2
    assert [path.name for path in out.iterdir()] == ["old.pbr"]
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "new"), "--shards", "2000"]) == 2


@pytest.mark.parametrize("target", ["out", "empty", "out.csv", "out.npy", "out.npz", "out.parquet"])
def test_a_full_disk_ends_with_an_error_that_names_the_file_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: NDArray[np.float32], target: str
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "empty").mkdir()
    with room_for(100_000):
        assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / target)]) == 3
    assert f"File too large: '{tmp_path / target}" in capsys.readouterr().err
    assert files_in(tmp_path) == ["empty", "rows.npy"]


def test_names_are_written_to_csv_and_parquet(tmp_path: Path) -> None:
    table = pyarrow.table({"id": ["x"], "a, b": [1.5], "c": [2]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    columns = ["--columns", '["c", "a, b"]']
    for target, *options in (["back.csv", "--header"], ["plain.csv"], ["back.parquet"]):
        assert convert.main([str(tmp_path / "rows.parquet"), str(tmp_path / target), *columns, *options]) == 0
    assert (tmp_path / "back.csv").read_text() == 'c,"a, b"\n2,1.5\n'
    assert (tmp_path / "plain.csv").read_text() == "2,1.5\n"
    assert pyarrow.parquet.read_table(tmp_path / "back.parquet").column_names == ["c", "a, b"]
    assert convert.main([str(tmp_path / "back.csv"), str(tmp_path / "again.parquet"), "--header"]) == 0
    assert pyarrow.parquet.read_table(tmp_path / "again.parquet").to_pydict() == {"c": [2.0], "a, b": [1.5]}


def test_features_without_names_are_numbered(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((1, 2)))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "records")]) == 0
    for source in ("rows.npy", "records"):
        assert convert.main([str(tmp_path / source), str(tmp_path / "back.csv"), "--header"]) == 0
        assert (tmp_path / "back.csv").read_text() == "feature_0,feature_1\n1,1\n"


@pytest.mark.parametrize("target", ["out.tsv", "out.csv.gz", "OUT.TSV"])
def test_a_format_that_is_only_read_is_refused_as_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        convert.main(["rows.npy", str(tmp_path / target)])
    assert f"expected a folder, or a file (.npy, .npz, .csv, .parquet), as target, got '{target}'" in (
        capsys.readouterr().err
    )
