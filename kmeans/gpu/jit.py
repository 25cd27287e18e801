"""How kernels for the GPU are compiled: for the types in their decorator, and for no others.

`load` compiles all kernels for the GPU of this host, or takes their machine code from numba's cache
(`NUMBA_CACHE_DIR`), which `container.precompile` fills when an image is built. Under numba's simulator
(`NUMBA_ENABLE_CUDASIM`) kernels run as Python.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numba

from kmeans.kernels.jit import ReadableCacheLocator

config: Any = numba.config
# For all modules with kernels; numba states no types here.
cuda: Any = importlib.import_module("numba.cuda")

SIMULATED = bool(config.ENABLE_CUDASIM)
if not SIMULATED:
    from numba.cuda.core import config as cuda_config
    from numba.cuda.core.caching import CacheImpl

    # Few rows need few blocks.
    cuda_config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    # Also from a cache that can't be written to, and of these very sources.
    CacheImpl._locator_classes = [ReadableCacheLocator]

# How kernels look to their callers: `kernel[blocks, threads, stream](...)`.
Launchable = Any

KERNELS: list[tuple[Launchable, str]] = []


def kernel(signature: str, *, blocks: int | None = None, threads: int | None = None) -> Callable[..., Launchable]:
    """Make a function a kernel.

    Parameters
    ----------
    signature : str
        A numba signature.
    blocks, threads : int, optional
        The number of blocks, and of threads in each, that are to have enough registers at a time on a multiprocessor.

    Returns
    -------
    callable
        The decorator.
    """
    options = {} if blocks is None else {"launch_bounds": (threads, blocks)}

    def decorate(function: Callable[..., None]) -> Launchable:
        # The simulator knows neither a cache nor registers.
        dispatcher: Launchable = cuda.jit(function) if SIMULATED else cuda.jit(cache=True, **options)(function)
        KERNELS.append((dispatcher, signature))
        return dispatcher

    return decorate


def load() -> None:
    """Make all kernels of the modules that have been imported ready, so that no launch has to compile one."""
    if SIMULATED:
        return
    for dispatcher, signature in KERNELS:
        dispatcher.compile(signature)
        dispatcher.disable_compile()
