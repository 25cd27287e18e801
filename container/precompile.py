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

# Importing the module of a kernel compiles it. A job imports all kernels but that of `container.convert`.
IMPORTS = "import container.job.training, container.conversion.sparse"


def main() -> None:
    """Compile each level in a process of its own: numba determines the level once."""
    for level in levels():
        subprocess.run([sys.executable, "-c", IMPORTS], env={**os.environ, "NUMBA_CPU_NAME": level}, check=True)


if __name__ == "__main__":
    main()
