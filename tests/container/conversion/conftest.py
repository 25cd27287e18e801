"""Rows that tests of conversion share."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.container.conversion.tables import some_rows


@pytest.fixture
def rows() -> NDArray[np.float32]:
    return some_rows()
