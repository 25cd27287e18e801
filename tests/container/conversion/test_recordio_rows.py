"""RecordIO of one kind of records or of several."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container import convert
from container.conversion import recordio_rows
from container.formats.recordio.layout import dense_frames
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode
from container.formats.recordio.sparse_kernel import sparse_frames
from tools.documents import ROOT


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
def test_a_fault_after_plain_records_is_reported_with_its_place(
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


def test_no_memory_is_allocated_for_a_length_that_a_sparse_record_only_claims(tmp_path: Path) -> None:
    record = Record()
    record.features["values"].float32_tensor.shape.append(1 << 27)
    (tmp_path / "rows.pbr").write_bytes(encode([record]))
    with (tmp_path / "rows.pbr").open("rb", buffering=0) as stream:
        tracemalloc.start()
        assert list(recordio_rows._plain_rows(stream, 1 << 27)) == []
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
        assert stream.tell() == 0


def test_plain_records_are_read_without_loading_kernels(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    (tmp_path / "rows.pbr").write_bytes(dense_frames(rows).tobytes())
    program = "import sys; from container import convert; print(convert.main(sys.argv[1:]), 'numba' in sys.modules)"
    arguments = [sys.executable, "-c", program, "rows.pbr", "back.npy"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    assert (tmp_path / "back.npy").is_file()
