"""Ranges of centers, which several threads work on."""

# Numbers of a range, at least: the work on fewer takes no longer than waking a thread.
MIN_VALUES = 1 << 14
# Ranges, at most: each takes some microseconds of the thread that hands it out.
MAX_RANGES = 16


def center_ranges(n_centers: int, n_features: int, n_threads: int) -> list[slice]:
    """Return ranges that all centers are divided into, one for each thread that is worth waking."""
    count = max(1, min(n_threads, MAX_RANGES, n_centers, n_centers * n_features // MIN_VALUES))
    return [slice(n_centers * part // count, n_centers * (part + 1) // count) for part in range(count)]
