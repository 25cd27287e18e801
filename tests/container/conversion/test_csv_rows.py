"""CSV in parts: what is read, and where a fault is."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container import convert


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("part", [1, 7, 1000])
def test_parts_together_are_the_whole_file(
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
def test_a_fault_in_a_later_part_is_reported_with_its_line(
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
    error = capsys.readouterr().err
    assert "record 322" in error
    assert said in error
    assert not (tmp_path / "out").exists()


def test_a_line_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("container.conversion.csv_rows.PART_BYTES", 60)
    monkeypatch.setattr("container.conversion.csv_rows.MAX_ROW_BYTES", 100)
    (tmp_path / "rows.csv").write_text("1\n" * 40 + "1" * 200 + "\n")
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out")]) == 2
    assert "expected a line of fewer than 100 bytes, got a longer one" in capsys.readouterr().err
