"""The cache of machine code."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kmeans.kernels import jit
from kmeans.kernels.rearranging import move_rows

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


def test_importing_a_kernel_compiles_nothing(tmp_path: Path) -> None:
    program = """
import container.job.training
from kmeans.kernels.rearranging import move_rows
print(len(move_rows.overloads))
"""
    assert run(tmp_path, "-c", program, NUMBA_DEBUG_CACHE="1") == "0\n"


def test_threads_may_call_kernels_that_call_one_another_for_the_first_time_at_once(tmp_path: Path) -> None:
    (tmp_path / "inner_kernel.py").write_text(CALLED.format(added=1))
    (tmp_path / "outer_kernel.py").write_text(CALLER.replace("print(twice(1))", ""))
    program = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from outer_kernel import changed, twice

barrier = Barrier(8)

def call(number):
    barrier.wait()
    return (twice, changed)[number % 2](number)

with ThreadPoolExecutor(8) as pool:
    print(list(pool.map(call, range(8))))
"""
    assert run(tmp_path, "-c", program) == "[2, 2, 6, 4, 10, 6, 14, 8]\n"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "inner_kernel.py").write_text(CALLED.format(added=1))
    (tmp_path / "outer_kernel.py").write_text(CALLER)
    assert run(tmp_path, "outer_kernel.py", NUMBA_CACHE_DIR="/proc/no/cache") == "4\n"


def test_arguments_of_other_types_are_an_error() -> None:
    places = np.arange(2)
    with pytest.raises(TypeError, match="No matching definition"):
        move_rows(np.zeros((2, 2)), places, places)  # type: ignore[arg-type]


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


# Called by kernels of other modules without being strict: these copy, compare, or bound errors.
ROUND_NOTHING_THAT_COUNTS = {
    "_exceeds", "_farther", "_number", "_offer", "_weight", "aligned_floats", "assign_rows", "choose", "clear",
    "compare_directly", "draw", "end_step", "error_bound", "finite", "first_infinite", "is_dense", "lay_out",
    "lightest", "move_centers", "new_space", "read_record", "read_records", "take_piece", "unpack", "_arrange",
    "_entry", "_tensor", "_values",
}  # fmt: skip


def test_what_several_kernels_call_rounds_alike_in_all_of_them() -> None:
    importlib.import_module("container.job.training")
    by_id = {id(each): each for each in jit._KERNELS}
    called = {
        id(value)
        for each in jit._KERNELS
        for name in each.py_func.__code__.co_names
        if id(value := each.py_func.__globals__.get(name)) in by_id
    }
    loose = {
        by_id[number].py_func.__name__
        for number in called
        if by_id[number].targetoptions["fastmath"] and "float" in str(by_id[number]._signatures)
    }
    assert loose - ROUND_NOTHING_THAT_COUNTS == set()
