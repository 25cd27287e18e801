"""Filling buffers with the rows of a channel, mini-batch by mini-batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from container.channels.opener import Opener
from container.channels.prefetch import Filled
from container.channels.reader import Reader
from container.channels.reading import Position
from container.formats.errors import located
from container.hosts.place import HostPlace
from container.precision.coordinates import Coordinates
from kmeans.packed_rows import PackedRows
from kmeans.points import Rows, parts
from kmeans.source import GivenUpError

# The most mini-batches to wait before a shortcut is tried again.
_MAX_WAIT: Final = 1 << 10
# Of rows in float64, before they are rounded.
_EXACT_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Division:
    """How rows are divided into buffers.

    Attributes
    ----------
    batch_rows : int
        The rows of a mini-batch.
    buffer_batches : int
        The number of mini-batches that a buffer holds; one that is larger than a buffer is in several.
    piece_rows : int
        The most rows to read at once.
    place : HostPlace
        This host's place among those that take mini-batches by turns.
    may_be_empty : bool
        Whether there may be no record at all.
    """

    batch_rows: int
    buffer_batches: int
    piece_rows: int
    place: HostPlace
    may_be_empty: bool

    @property
    def size(self) -> int:
        """The rows that a buffer, or several, are filled with before the other hosts take their turn."""
        return self.buffer_batches * self.batch_rows


class Filling:
    """One pass over this host's rows of a channel; no buffer has rows of a mini-batch that begins in another.

    Parameters
    ----------
    opener : Opener
        Opens the files.
    division : Division
        How rows are divided.
    position : Position
        Kept up to date.
    coordinates : Coordinates
        Those of the rows.
    """

    def __init__(self, opener: Opener, division: Division, position: Position, coordinates: Coordinates) -> None:
        self._opener = opener
        self._division = division
        self._position = position
        self._coordinates = coordinates
        # Rows of this mini-batch in earlier buffers, rows in this one, and records to skip before the next row.
        self._given = self._filled = self._ahead = 0

    def fill(self, take: Callable[[], Rows], skip: int, *, packing: bool) -> Iterator[Filled[Rows] | PackedRows | None]:
        """Fill buffers.

        Parameters
        ----------
        take : callable
            Returns a buffer to fill, ndarray of float32, shape (n, d), or WeightedPoints.
        skip : int
            The number of this host's rows to skip first.
        packing : bool
            Whether rows may also be handed out as they lie in a file.

        Yields
        ------
        tuple, PackedRows or None
            A buffer and the number of rows in it; packed rows, some of which are taken before the next item is asked
            for; or None, wherever reading may pause in the middle of a buffer.
        """
        division, position = self._division, self._position
        batches, self._given = divmod(skip, division.size)
        self._ahead = (batches * division.place.count + division.place.rank) * division.size + self._given
        self._filled, buffer = 0, take()
        # Whoever takes mini-batches whole has room for all rows of one, and ends with none before its end.
        packing = packing and len(buffer) >= division.batch_rows
        try:
            for path in self._opener.paths(position.passes):
                bytes_before = position.bytes_read
                attempts = _Attempts()
                with self._opener.opened(path) as reader:
                    while True:
                        if self._ahead:
                            self._ahead -= reader.skip(self._ahead)
                        if packing and not (self._ahead or self._filled or self._given) and attempts.due():
                            yield from self._packed(reader, attempts)
                        try:
                            count = self._read_piece(reader, buffer)
                        finally:
                            position.bytes_read = bytes_before + reader.bytes_read
                        if not count:
                            break
                        if self._filled < self._room(buffer):
                            yield None
                            continue
                        yield buffer, self._filled
                        self._given = (self._given + self._filled) % division.size
                        self._ahead = 0 if self._given else (division.place.count - 1) * division.size
                        self._filled, buffer = 0, take()
        except GivenUpError:
            # A job that resumes needs whole mini-batches, but without any row there is no model.
            if not self._filled or self._filled < position.records_read or skip or position.passes > 1:
                self._filled -= self._filled % division.batch_rows
                if self._filled:
                    yield buffer, self._filled
                return
        if self._filled:
            yield buffer, self._filled
        if not (position.records_read or skip or division.may_be_empty):
            raise self._opener.no_records()

    def _room(self, buffer: Rows) -> int:
        """Return how many rows belong into a buffer."""
        return min(len(buffer), self._division.size - self._given)

    def _packed(self, reader: Reader, attempts: "_Attempts") -> Iterator[PackedRows]:
        """Hand out the rest of a file as it lies there, if it holds records that are alike."""
        packed = reader.packed(self._division.batch_rows)
        if packed is not None and packed.n_rows:
            if self._coordinates.origin is not None:
                packed.origin, packed.scales = self._coordinates.origin, self._coordinates.divisors
            packed.unit = self._coordinates.unit
            yield packed
            reader.passed(packed)
            self._position.records_read += packed.taken
        attempts.made(packed is not None and packed.taken > 0)

    def _read_piece(self, reader: Reader, buffer: Rows) -> int:
        """Read some rows into a buffer; return how many."""
        if self._ahead:
            # The file has ended before all records were skipped.
            return 0
        end = min(self._filled + self._division.piece_rows, self._room(buffer))
        before = reader.records
        try:
            return read_rows(reader, buffer[self._filled : end], self._coordinates)
        finally:
            # Rows read before reading was stopped count too.
            self._filled += reader.records - before
            self._position.records_read += reader.records - before


class _Attempts:
    """Whether to try a shortcut at a mini-batch: the more rarely, the more often it failed."""

    def __init__(self) -> None:
        self._failures = 0
        self._wait = 0

    def due(self) -> bool:
        """Return whether to try, asked at each mini-batch."""
        self._wait -= 1
        return self._wait < 0

    def made(self, success: bool) -> None:
        """Count an attempt."""
        self._failures = 0 if success else self._failures + 1
        self._wait = min((1 << self._failures) - 1, _MAX_WAIT)


def fill_from(opener: Opener, path: Path, coordinates: Coordinates, take: Callable[[], Rows]) -> Iterator[Filled[Rows]]:
    """Fill buffers with all rows of one file."""
    with opener.opened(path, every_row=True) as reader:
        while count := read_rows(reader, buffer := take(), coordinates):
            yield buffer, count


def read_rows(reader: Reader, out: Rows, coordinates: Coordinates) -> int:
    """Read rows as `reader` does, in the given coordinates, and their weights if these are wanted."""
    out, weights = parts(out)
    if coordinates.plain and weights is None:
        return reader.read(out)
    step = max(1, _EXACT_BYTES // (8 * reader.width))
    for begin in range(0, len(out), step):
        part = out[begin : begin + step]
        exact = np.empty((len(part), reader.width))
        before = reader.records
        try:
            reader.read(exact)
        finally:
            # Rows read before reading was stopped count too.
            count = reader.records - before
            part[:count] = coordinates.rows(exact[:count, : part.shape[1]])
            if weights is not None:
                weights[begin : begin + count] = exact[:count, -1]
            # Here rows of zeros could be dropped.
            with located(renumber=reader.number_of):
                coordinates.check(part[:count], before)
        if count < len(part):
            return begin + count
    return len(out)
