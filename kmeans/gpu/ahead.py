"""Machine code of the kernels for GPUs that are not at hand, written to numba's cache; see `container.precompile`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest.mock import patch

from numba.cuda import dispatcher
from numba.cuda.cudadrv import devices

from kmeans.gpu import nearest, sums  # noqa: F401  (the kernels to compile)
from kmeans.gpu.jit import load


def compile_ahead(capability: tuple[int, int]) -> None:
    """Compile all kernels for a compute capability, once in a process; neither a GPU nor a driver is needed."""
    with _pretended(capability):
        load()


@contextmanager
def _pretended(capability: tuple[int, int]) -> Iterator[None]:
    """Let numba believe that there is a GPU, to which it loads nothing."""
    device = SimpleNamespace(compute_capability=capability)
    context = SimpleNamespace(device=device)
    with ExitStack() as stack:
        for owner, name, replacement in (
            (dispatcher, "get_current_device", lambda: device),
            (devices, "get_context", lambda: context),
            # Links the code, like the original, but does not load it.
            (dispatcher._Kernel, "bind", lambda kernel: kernel._codelibrary.get_cubin()),
        ):
            stack.enter_context(patch.object(owner, name, replacement))
        yield
