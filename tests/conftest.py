"""What holds for every test."""

import os

# As `train` does: BLAS runs with one thread; numpy reads these when it is imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
