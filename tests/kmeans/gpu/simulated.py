"""Run `checks.py` in numba's simulator: `python -m tests.kmeans.gpu.simulated`.

The simulator runs every thread of a block as a thread of Python, so blocks and tiles are made small.
"""

import importlib
import os
import sys
from typing import Any

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"


def shared_array(self: Any, shape: Any, dtype: Any, alignment: int | None = None) -> Any:
    """Return shared memory; the simulator's own function accepts no alignment."""
    frame = sys._getframe(1)
    place = frame.f_code.co_filename, frame.f_lineno
    numbers = importlib.import_module("numba.np.numpy_support").as_dtype(dtype)
    return self._allocations.setdefault(place, importlib.import_module("numpy").full(shape, 99, numbers))


def prepare() -> None:
    """Make the simulator accept the kernels, and their shapes small."""
    importlib.import_module("numba.cuda.simulator.kernelapi").FakeCUDAShared.array = shared_array
    shapes: Any = importlib.import_module("kmeans.gpu.shapes")
    shapes.SIDE, shapes.EACH, shapes.RUN, shapes.FEATURES = 2, 4, 2, 4
    shapes.TILE, shapes.STRIDE = 8, 10
    shapes.LANES, shapes.TEAMS, shapes.THREADS, shapes.SEGMENT = 2, 2, 4, 4
    assigner: Any = importlib.import_module("kmeans.gpu.assigner")
    assigner.MAX_LIST_BLOCKS = 3
    check_types()


def check_types() -> None:
    """Let every launch check that its arguments are of the kernel's types: on a GPU others would be refused."""
    numba: Any = importlib.import_module("numba")
    simulated: Any = importlib.import_module("numba.cuda.simulator.kernel").FakeCUDAKernel
    normalize: Any = importlib.import_module("numba.core.sigutils").normalize_signature
    kernels = importlib.import_module("kmeans.gpu.jit").KERNELS
    signatures = {dispatcher.py_func: normalize(signature)[0] for dispatcher, signature in kernels}
    launch = simulated.__call__

    def checked(self: Any, *arguments: Any) -> None:
        types = tuple(numba.typeof(getattr(argument, "_ary", argument)) for argument in arguments)
        assert types == signatures[self.fn], (self.fn, types)
        launch(self, *arguments)

    simulated.__call__ = checked


if __name__ == "__main__":
    prepare()
    importlib.import_module("tests.kmeans.gpu.checks").main()
