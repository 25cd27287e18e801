"""The cache of machine code."""

import os
import subprocess
import sys
from pathlib import Path

CALLED = """
from kmeans.jit import kernel

@kernel("int64(int64)")
def changed(number):
    return number + {added}
"""
CALLER = """
from inner_kernel import changed
from kmeans.jit import kernel

@kernel("int64(int64)")
def twice(number):
    return 2 * changed(number)

print(twice(1))
"""


def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}",
    }
    (tmp_path / "outer_kernel.py").write_text(CALLER)
    for added, expected in ((1, "4"), (20, "42")):
        (tmp_path / "inner_kernel.py").write_text(CALLED.format(added=added))
        done = subprocess.run(
            [sys.executable, "outer_kernel.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
