"""The ids of the rows of a file, next to their clusters in the assignments."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from container.errors import CustomerError


class Ids:
    """The ids of the rows of a file, cut as its rows are.

    Parameters
    ----------
    texts : iterator of pyarrow.Array
        The ids of some rows at a time; see `container.channels.channel.Channel.file_ids`.
    """

    def __init__(self, texts: Iterator[Any]) -> None:
        self._texts = texts
        self._waiting: list[Any] = []

    def take(self, count: int) -> Any:
        """Return the ids of the next `count` rows.

        Raises
        ------
        CustomerError
            If there are fewer.
        """
        while (missing := count - sum(map(len, self._waiting))) > 0:
            texts = next(self._texts, None)
            if texts is None:
                raise CustomerError(f"Expected an id for each row, but there are none for {missing} rows")
            self._waiting.append(texts)
        together = pa.concat_arrays(self._waiting) if self._waiting else pa.array([], pa.string())
        self._waiting = [together[count:]]
        return together[:count]


def quoted(name: str) -> str:
    """Return the name of a column as a cell of CSV (RFC 4180)."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set('",\r\n') else name
