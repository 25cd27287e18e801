"""Which models have been unloaded: told by the worker that did it, heard by all others."""

import os
from pathlib import Path

_TOKEN_BYTES = 16
# So many of the latest are kept.
_KEPT = 256
_RING_BYTES = _KEPT * _TOKEN_BYTES


class Departures:
    """A file that the workers share: a ring of the tokens of those who have gone, and behind it a byte for each ever.

    Parameters
    ----------
    path : Path
        The file; it is made if there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # All the room is taken at once, and the bytes behind it take none: a full disk keeps no model from going.
        if not path.exists():
            path.write_bytes(bytes(_RING_BYTES))

    def count(self) -> int:
        """Return how many there were, ever."""
        return self._path.stat().st_size - _RING_BYTES

    def add(self, token: str) -> None:
        """Tell of one, by its 32 hexadecimal digits; nobody else may do so meanwhile."""
        count = self.count()
        with self._path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), bytes.fromhex(token), count % _KEPT * _TOKEN_BYTES)
            file.truncate(_RING_BYTES + count + 1)

    def lose(self) -> None:
        """Tell that there may have been one of which nobody has told; nobody else may tell of any meanwhile."""
        os.truncate(self._path, _RING_BYTES + self.count() + _KEPT)

    def between(self, first: int, end: int) -> set[str] | None:
        """Return the tokens of those from number `first` on, before number `end`; None if these are not all kept."""
        # Others may come while these are read, and then take the place of the oldest ones.
        if end - first > _KEPT // 2:
            return None
        with self._path.open("rb", buffering=0) as file:
            return {
                os.pread(file.fileno(), _TOKEN_BYTES, number % _KEPT * _TOKEN_BYTES).hex()
                for number in range(first, end)
            }
