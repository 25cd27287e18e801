"""Archives that are broken."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container import convert


def test_the_error_for_a_broken_archive_is_short(
    tmp_path: Path, rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, rows)
    content = bytearray(path.read_bytes())
    # The length of the name, which the directory at the end has too.
    content[27] = 0xFF
    path.write_bytes(content)
    assert convert.main([str(path), str(tmp_path / "out.npy")]) == 2
    said = capsys.readouterr().err
    assert "expected an archive of numpy.savez, got a broken one" in said
    assert len(said) < 500
