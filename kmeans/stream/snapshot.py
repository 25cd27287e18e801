"""All that a host needs to go on where it was, at the border of a mini-batch."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Snapshot:
    """The state of a run on one host.

    Attributes
    ----------
    step
        Number of the latest mini-batch, from 1, over all epochs; the same on all hosts.
    arrays
        By name; views, valid until training goes on.
    facts
        All else, as JSON knows it.
    """

    step: int
    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]
