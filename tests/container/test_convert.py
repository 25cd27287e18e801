"""`python -m container.convert`: the command as a whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container import convert
from container.formats.recordio.records import decode
from tests.container.conversion.tables import some_rows, write
from tools.documents import ROOT


@pytest.fixture
def rows() -> NDArray[np.float32]:
    return some_rows()


@pytest.mark.parametrize("more", [[], ["--shards", "7"], ["--sparse", "--shards", "2"]])
@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz", ".parquet"])
def test_a_round_trip_changes_nothing(
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


@pytest.mark.parametrize("target", ["out", "out.csv"])
def test_a_target_that_cannot_be_written_is_refused_first(
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


@pytest.mark.parametrize("target", ["rows.csv", "rows.npy", "folder"])
def test_an_interrupt_leaves_no_partial_file(tmp_path: Path, target: str) -> None:
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


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux states the memory of a process")
def test_insufficient_memory_is_reported(tmp_path: Path) -> None:
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


def test_a_source_that_cannot_be_read_to_its_end_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The kernel reads nothing at the address 0.
    (tmp_path / "rows.csv").symlink_to("/proc/self/mem")
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out")]) == 3
    assert f"{tmp_path / 'rows.csv'}: [Errno 5]" in capsys.readouterr().err


def test_a_name_that_is_no_text_is_shown_with_backslashes(tmp_path: Path, rows: NDArray[np.float32]) -> None:
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
