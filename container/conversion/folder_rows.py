"""Rows out of the parts of a table: the files of a folder."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from container.conversion.rows import Rows
from container.formats.errors import FormatError, excerpt, located
from kmeans.types import FloatArray


class FolderRows(Rows):
    """Rows of several files, one after the other.

    Parameters
    ----------
    files : sequence of Path
        The files, in order.
    open_rows : callable
        Opens a file.
    left_out : str
        What is not read of the folder, in words.
    """

    def __init__(self, files: Sequence[Path], open_rows: Callable[[Path], Rows], left_out: str = "") -> None:
        if not files:
            raise FormatError("expected a file with rows, got none")
        self._files, self._open_rows = files, open_rows
        with located(file=str(files[0])):
            first = open_rows(files[0])
        self.n_features, self.names = first.n_features, first.names
        self.left_out = "; ".join(filter(None, [left_out, first.left_out]))

    def count(self) -> int:
        """Return the number of rows."""
        total = 0
        for file in self._files:
            with located(file=str(file)):
                total += self._opened(file).count()
        return total

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        for file in self._files:
            with located(file=str(file)):
                yield from self._opened(file).blocks()

    def _opened(self, file: Path) -> Rows:
        """Open a file, whose columns must be those of the first."""
        rows = self._open_rows(file)
        if rows.n_features != self.n_features:
            raise FormatError(f"expected {self.n_features} columns, as {self._files[0]} has, got {rows.n_features}")
        # Parts of some formats have no names, and zip stops before the first.
        for ours, its in zip(self.names, rows.names, strict=False):
            if ours != its:
                raise FormatError(f"expected the column {excerpt(ours)}, as {self._files[0]} has, got {excerpt(its)}")
        return rows
