"""Compile every kernel for every CPU level of this architecture.

Run `python -m container.precompile` when an image is built.

Numba keeps the machine code in `NUMBA_CACHE_DIR`; a job then loads that of the best level of its machine.
"""

import os
import subprocess
import sys

from container.packages import needed

with needed():
    from kmeans.kernels.jit import levels

# The job imports all modules with kernels but that of `container.convert`.
PROGRAM = """
import container.job.training, container.formats.recordio.sparse_kernel
from kmeans.kernels.jit import compile_all
compile_all()
"""


def main() -> None:
    """Compile each level in a process of its own: numba determines the level once."""
    for level in levels():
        subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "NUMBA_CPU_NAME": level}, check=True)


if __name__ == "__main__":
    main()
