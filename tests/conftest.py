"""Settings for all tests."""

import os

from hypothesis import HealthCheck, settings

# BLAS runs with one thread, as in `train`; numpy reads these variables when it is imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

# The time of an example depends more on the machine and its other load than on the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
