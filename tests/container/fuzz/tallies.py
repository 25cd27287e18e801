"""How long a fuzz runs, and what it found: one example of each kind of fault."""

import os
import re
import time
from collections.abc import Iterator
from itertools import count

# For all decoders, trees, commands and servers together, each of which takes its share; None for the few of the suite.
_FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS")
SECONDS = float(_FUZZ_SECONDS) if _FUZZ_SECONDS else None
# A multiple of the number in the suite.
_TIMES = 3 if os.environ.get("CI") == "true" else 1
# The first seed; a run may begin where another one has ended.
_FIRST = int(os.environ.get("FUZZ_SEED") or 0)


def seeds(few: int, share: float) -> Iterator[int]:
    """Yield seeds: in the suite the same few each time, otherwise those that fit into a share of the time."""
    if SECONDS is None:
        yield from range(_FIRST, _FIRST + few * _TIMES)
        return
    ends = time.monotonic() + SECONDS * share
    for seed in count(_FIRST):
        if time.monotonic() >= ends:
            return
        yield seed


def seconds(few: float, share: float) -> float:
    """Return the seconds in the suite, otherwise a share of the time."""
    return few * _TIMES if SECONDS is None else SECONDS * share


def kind(fault: str) -> str:
    """Return what faults of one kind have in common: their words, without paths, times, quoted text and numbers."""
    return re.sub(r"/\S+|'[^']*'|\"[^\"]*\"|\[[^]]*\]|[-+]?\d[\d.e+-]*", "_", fault)[:200]
