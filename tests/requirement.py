"""What some tests need of the machine."""

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"


def missing(reason: str) -> NoReturn:
    """Skip for want of something, but fail in CI, where it must be there."""
    if IN_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
