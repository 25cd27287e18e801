"""Operations on two centers in float64."""

from kmeans.kernels.jit import kernel
from kmeans.types import DoubleArray


@kernel("float64(float64[::1], float64[::1])")
def squared_difference(a: DoubleArray, b: DoubleArray) -> float:
    """Return the sum of (a - b)^2."""
    total = 0.0
    for f in range(len(a)):
        difference = a[f] - b[f]
        total += difference * difference
    return total
