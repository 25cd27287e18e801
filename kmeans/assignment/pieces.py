"""Pieces of points, the same for any number of threads: what is computed of a piece in float64 stays in the cache."""

# Numbers of a piece.
PIECE_VALUES = 1 << 15


def pieces_of(n_points: int, n_features: int) -> list[slice]:
    """Return slices that cut points into pieces."""
    step = max(1, PIECE_VALUES // n_features)
    return [slice(start, min(start + step, n_points)) for start in range(0, n_points, step)]
