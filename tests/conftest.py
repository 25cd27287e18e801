"""Settings for all tests."""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# BLAS runs with one thread, as in `train`; numpy reads these variables when it is imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

# The time of an example depends more on the machine and its other load than on the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write surrogates in captured logs, which are file names that are no text, in a way that can be sent as UTF-8."""
    report = yield
    report.sections = [
        (name, content.encode("utf-8", "backslashreplace").decode()) for name, content in report.sections
    ]
    return report
