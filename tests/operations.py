"""The cost of some work, counted instead of timed: the same on every machine and in every run."""

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

# Methods that scan their whole object.
_SCANS = {"count", "decode", "find", "index", "replace", "rfind", "rindex", "rstrip", "split", "splitlines", "strip"}


def operations(work: Callable[[], object]) -> int:
    """Return the number of calls and of scanned items, in this thread and in those that it starts."""
    total = 0

    def note(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal total
        if event not in ("call", "c_call"):
            return
        total += 1
        if event == "c_call" and called.__name__ in _SCANS:
            scanned = called.__self__
            total += len(scanned) if isinstance(scanned, bytes | bytearray | str | list) else 0

    # Another profiler, such as a debugger, continues afterwards.
    before = sys.getprofile(), threading.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before[0])
        threading.setprofile(before[1])
    return total
