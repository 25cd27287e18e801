"""Array types used throughout."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
LabelArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
