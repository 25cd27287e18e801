"""The kernels for GPUs without a GPU: in numba's simulator, and compiled for every kind of GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

COMPILE = """
import sys
from numba import cuda
from kmeans.gpu import assigner
from kmeans.gpu.jit import KERNELS

for dispatcher, signature in KERNELS:
    ptx, _ = cuda.compile_ptx(dispatcher.py_func, signature, cc=(int(sys.argv[1]), int(sys.argv[2])))
    name = dispatcher.py_func.__name__
    assert f".target sm_{sys.argv[1]}{sys.argv[2]}" in ptx, name
    # Arrays of a thread are in registers, and floating-point numbers are not added atomically.
    assert ".local .align" not in ptx, name
    assert "atom.global.add.f" not in ptx, name
"""

AHEAD = """
from kmeans.gpu.ahead import compile_ahead
from kmeans.gpu.jit import KERNELS
compile_ahead((7, 5))
print(*(sum(sum(count.values()) for count in counts) for counts in zip(
    *((dispatcher._cache_misses, dispatcher._cache_hits) for dispatcher, _ in KERNELS)
)))
"""


def test_kernels_and_assigner_agree_with_numpy_in_the_simulator() -> None:
    run(sys.executable, "-m", "tests.kmeans.gpu.simulated", simulator="1")


@pytest.mark.skipif(find_spec("numba_cuda") is None, reason="numba-cuda is not installed; see requirements/gpu.txt")
@pytest.mark.parametrize("capability", [(7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0)])
def test_kernels_compile_to_ptx(capability: tuple[int, int]) -> None:
    major, minor = capability
    run(sys.executable, "-c", COMPILE, str(major), str(minor), simulator="0")


@pytest.mark.skipif(find_spec("numba_cuda") is None, reason="numba-cuda is not installed; see requirements/gpu.txt")
def test_code_compiled_ahead_is_found_in_the_cache(tmp_path: Path) -> None:
    for expected in ("13 0", "0 13"):
        printed = run(sys.executable, "-c", AHEAD, simulator="0", NUMBA_CACHE_DIR=str(tmp_path))
        assert printed.split("\n")[-2] == expected


def test_the_benchmark_says_that_there_is_no_gpu() -> None:
    result = subprocess.run([sys.executable, "-m", "benchmarks", "gpu"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "There is no GPU that CUDA can use here.\n"


@pytest.mark.parametrize("module", ["kmeans.training", "container.job.training", "container.serving.app"])
def test_nothing_of_cuda_is_imported_unasked(module: str) -> None:
    # The packages of CUDA import some at every start of Python.
    program = f"import sys; before = set(sys.modules); import {module}; imported = set(sys.modules) - before"
    program += "; assert not [name for name in imported if name.startswith('kmeans.gpu')]"
    program += "; assert not {'numba.cuda', 'numba_cuda', 'cuda'} & imported"
    run(sys.executable, "-c", program, simulator="0")


def run(*command: str, simulator: str, **environment: str) -> str:
    variables = {**os.environ, "NUMBA_ENABLE_CUDASIM": simulator, **environment}
    result = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout
