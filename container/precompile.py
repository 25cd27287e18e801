"""Compile every kernel for every CPU level of this architecture, and for every kind of GPU.

Run `python -m container.precompile` when an image is built.

Numba keeps the machine code in `NUMBA_CACHE_DIR`; a job then loads that of the best level of its machine.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

from container.packages import needed

with needed():
    from kmeans.kernels.levels import levels

# The job imports all modules with kernels but that of `container.convert`.
PROGRAM = """
import container.job.training, container.formats.recordio.sparse_kernel
from kmeans.kernels.jit import compile_all
compile_all()
"""
# For the kinds of GPUs that SageMaker has; with the extra `gpu`, whether there is a GPU here or not.
GPU_PROGRAM = """
import sys
from kmeans.gpu.ahead import compile_ahead
compile_ahead((int(sys.argv[1]), int(sys.argv[2])))
"""
# Compute capabilities: V100; T4; A100; A10G; L4 and L40S; H100 and H200; B200; RTX PRO 6000. For others, numba compiles
# kernels when a job starts.
GPU_CAPABILITIES = ((7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0))


def main() -> None:
    """Compile each level in a process of its own: numba determines the level once."""
    for level in levels():
        subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "NUMBA_CPU_NAME": level}, check=True)
    for major, minor in GPU_CAPABILITIES if find_spec("numba_cuda") else ():
        subprocess.run([sys.executable, "-c", GPU_PROGRAM, str(major), str(minor)], check=True)


if __name__ == "__main__":
    main()
