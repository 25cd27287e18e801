"""Data of the jobs."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits() -> NDArray[np.float32]:
    return np.ascontiguousarray(load_digits().data, np.float32)
