"""The least memory that a job takes: one that can't fit is refused before its arrays are made."""

from kmeans.finalization.agglomeration import MAX_CENTERS, pair_bytes
from kmeans.settings import TrainingSettings
from kmeans.stream.stream import stream_bytes

# What the sample keeps of a row in addition to its features: label, number, position and key.
_ROW_FACTS_BYTES = 4 * 8


def sample_bytes(n_rows: float, n_features: int) -> float:
    """Return the bytes that a sample of `n_rows` rows takes."""
    return n_rows * (4 * n_features + _ROW_FACTS_BYTES)


class NotEnoughMemoryError(ValueError):
    """The arrays of a job take more memory than there is.

    Parameters
    ----------
    what : str
        What takes the memory.
    needed, available : float
        Bytes.
    """

    def __init__(self, what: str, needed: float, available: float) -> None:
        super().__init__(f"{what} take at least {needed / 1e9:.1f} GB of memory, and there are {available / 1e9:.1f}")


def centers_fit(settings: TrainingSettings, available: float) -> bool:
    """Return whether the stream's centers may fit into so many bytes."""
    return stream_bytes(settings.n_centers, settings.n_features) <= available


def max_sample_rows(settings: TrainingSettings, available: float) -> float:
    """Return how many rows of a sample fit into so many bytes, beside the stream's centers."""
    left = available - stream_bytes(settings.n_centers, settings.n_features)
    return left // sample_bytes(1, settings.n_features)


def check_memory(settings: TrainingSettings, n_rows: int | None, available: float) -> None:
    """Refuse a job that is certain not to fit.

    Parameters
    ----------
    settings : Settings
        What to train.
    n_rows : int or None
        The number of rows of all hosts; None where it is not known before they are read.
    available : float
        The memory of this host, in bytes.

    Raises
    ------
    NotEnoughMemoryError
        When it does not fit.
    """
    n_centers, n_features = settings.n_centers, settings.n_features
    needed: float = stream_bytes(n_centers, n_features)
    what = f"{n_centers} intermediate centers of {n_features} features"
    if needed <= available and n_rows is not None:
        kept = min(settings.sample_size, n_rows)
        needed += sample_bytes(kept, n_features)
        what += f" and a sample of {kept} rows"
    if needed <= available and settings.finalization.refine and settings.k < n_centers <= MAX_CENTERS:
        needed += pair_bytes(n_centers if n_rows is None else min(n_centers, n_rows))
        what += ", and the costs of mergers of all pairs of these centers"
    if needed > available:
        raise NotEnoughMemoryError(what, needed, available)
