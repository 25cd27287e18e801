"""How often each policy was applied: what training does where rows or resources are not as they should be."""

from collections import Counter
from collections.abc import Callable, Mapping


def _ignore(_: str) -> None:
    """Do nothing."""


class Events:
    """Counts the policies that were applied, and warns of them.

    Parameters
    ----------
    warn : callable
        Called with a sentence about each.

    Attributes
    ----------
    counts : Counter of str
        How often each policy was applied, by name.
    """

    def __init__(self, warn: Callable[[str], object] = _ignore) -> None:
        self.counts: Counter[str] = Counter()
        self._warn = warn

    def happened(self, event: str, count: int, message: str) -> None:
        """Count a policy that was applied, and warn of it."""
        self.counts[event] += count
        self._warn(message)

    def restore(self, counts: Mapping[str, int]) -> None:
        """Resume from the counts of an interrupted run."""
        self.counts = Counter(counts)
