"""The cache of machine code."""

import os
import subprocess
import sys
from pathlib import Path

CALLED = """
from kmeans.kernels.jit import kernel

@kernel("int64(int64)")
def changed(number):
    return number + {added}
"""
CALLER = """
from inner_kernel import changed
from kmeans.kernels.jit import kernel

@kernel("int64(int64)")
def twice(number):
    return 2 * changed(number)

print(twice(1))
"""


# A program in a package, whose kernel calls one of another folder, which has a constant of a module without a kernel.
PACKAGE = {
    "program/__init__.py": "",
    "program/reading/__init__.py": "",
    "program/reading/doubling.py": CALLER.replace("inner_kernel", "program.formats.adding"),
    "program/formats/__init__.py": "",
    "program/formats/adding.py": "from program.formats import numbers\nSTEP = numbers.STEP\n"
    + CALLED.format(added="STEP"),
}


def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path: Path) -> None:
    (tmp_path / "outer_kernel.py").write_text(CALLER)
    for added, expected in ((1, "4"), (20, "42")):
        (tmp_path / "inner_kernel.py").write_text(CALLED.format(added=added))
        assert run(tmp_path, "outer_kernel.py").splitlines()[-1] == expected


def test_a_kernel_is_compiled_again_when_a_constant_that_it_was_made_of_has_changed(tmp_path: Path) -> None:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for step, expected in ((1, "4"), (20, "42")):
        (tmp_path / "program/formats/numbers.py").write_text(f"STEP = {step}\n")
        for compiled in (True, False):
            said = run(tmp_path, "-m", "program.reading.doubling", NUMBA_DEBUG_CACHE="1")
            assert said.splitlines()[-1] == expected
            assert ("data saved to" in said, "data loaded from" in said) == (compiled, not compiled)


def run(folder: Path, *arguments: str, **environment: str) -> str:
    """Run Python with a cache of the folder's own; return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": str(folder / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[3]}",
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
