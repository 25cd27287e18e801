"""Which models have been unloaded: written by the worker that did it, read by all others."""

import os
from pathlib import Path

_TOKEN_BYTES = 16
# The number of the latest tokens that are kept.
_KEPT = 256
_RING_BYTES = _KEPT * _TOKEN_BYTES


class UnloadLog:
    """A file that the workers share: a ring of tokens of unloaded models, then a byte for each model ever unloaded.

    Parameters
    ----------
    path : Path
        The file; it is created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # The ring is allocated at once, and the bytes after it are a hole: a model can be unloaded on a full disk.
        if not path.exists():
            path.write_bytes(bytes(_RING_BYTES))

    def count(self) -> int:
        """Return the number of models ever unloaded."""
        return self._path.stat().st_size - _RING_BYTES

    def add(self, token: str) -> None:
        """Record a model by its token, 32 hexadecimal digits; the caller keeps other writers out."""
        count = self.count()
        with self._path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), bytes.fromhex(token), count % _KEPT * _TOKEN_BYTES)
            file.truncate(_RING_BYTES + count + 1)

    def invalidate(self) -> None:
        """Record that a model may have been unloaded without a record; the caller keeps other writers out."""
        os.truncate(self._path, _RING_BYTES + self.count() + _KEPT)

    def between(self, start: int, stop: int) -> set[str] | None:
        """Return the tokens number `start` to `stop` - 1, or None if not all of them are kept."""
        # While these are read, others may be added and replace the oldest ones.
        if stop - start > _KEPT // 2:
            return None
        with self._path.open("rb", buffering=0) as file:
            return {
                os.pread(file.fileno(), _TOKEN_BYTES, number % _KEPT * _TOKEN_BYTES).hex()
                for number in range(start, stop)
            }
