"""Points in pieces, whatever the number of threads: what is computed of one in float64 stays in the cache."""

# Numbers of a piece.
PIECE_VALUES = 1 << 15


def pieces_of(n_points: int, n_features: int) -> list[slice]:
    """Return slices that divide so many points into pieces."""
    step = max(1, PIECE_VALUES // n_features)
    return [slice(start, min(start + step, n_points)) for start in range(0, n_points, step)]
