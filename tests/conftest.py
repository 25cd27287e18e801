"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

# As `train` does: BLAS runs with one thread; numpy reads these when it is imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

# How long an example takes says more of the machine, and of what else it does, than of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
