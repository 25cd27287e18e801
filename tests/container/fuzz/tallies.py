"""How long a fuzz goes on, and what it found: one example of each kind of fault."""

import os
import re
import time
from collections.abc import Iterator
from itertools import count

# All decoders, trees, commands and servers together; each takes its share.
SECONDS = float(os.environ.get("FUZZ_SECONDS") or (60 if os.environ.get("CI") == "true" else 20))
# The first tree; a night may begin where another one has ended.
FIRST_SEED = int(os.environ.get("FUZZ_SEED") or 0)


def seeds(share: float) -> Iterator[int]:
    """Give seeds, beginning with the same one, for a share of the time."""
    ends = time.monotonic() + SECONDS * share
    for seed in count(FIRST_SEED):
        if time.monotonic() >= ends:
            return
        yield seed


def kind(fault: str) -> str:
    """Give what faults of one kind have in common: their words, without paths, times, quoted text and numbers."""
    return re.sub(r"/\S+|'[^']*'|\"[^\"]*\"|\[[^]]*\]|[-+]?\d[\d.e+-]*", "_", fault)[:200]
