"""A channel as mini-batches of rows."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from container.channels.filling import Division, Filling, fill_from
from container.channels.form import RecordForm
from container.channels.interleaved import Interleaved
from container.channels.opener import Opener
from container.channels.prefetch import PackingFill, prefetched
from container.channels.reading import Position, Reading
from container.channels.sampling import ENOUGH_ROWS, sample
from container.configuration.channels import ChannelConfiguration
from container.errors import AlgorithmError, CustomerError
from container.hosts.place import ALONE
from container.precision.coordinates import PLAIN, Coordinates
from container.precision.fills import Choose
from kmeans.points import Rows, WeightedPoints, with_weights
from kmeans.source import GivenUpError, Stretch
from kmeans.types import DoubleArray

# The most that a block of rows takes, unless a single row takes more.
BLOCK_BYTES: Final = 64 << 20
# Where reading is interleaved with waiting for other hosts, the bytes of rows that are decoded before checking whether
# they have come.
INTERLEAVED_ROW_BYTES: Final = 1 << 17


class Channel:
    """The rows of a channel: a `kmeans.source.RowSource`.

    Parameters
    ----------
    configuration : ChannelConfiguration
        Where the data are and what they are.
    form : RecordForm
        What its records must hold.
    mini_batch_size : int
        The rows of a mini-batch.
    reading : Reading
        How to read them.
    coordinates : Coordinates
        Those of the rows that are handed out.

    Attributes
    ----------
    path : Path
        Where the data are.
    rereadable : bool
        Whether rows can be drawn before they are read; not so in Pipe mode.
    shared : bool
        Whether several hosts have the same data.
    coordinates : Coordinates
        As given, or as chosen; see `choose_coordinates_by`.
    id_column : str
        The name of the column of ids; empty if there is none.
    drops : bool
        Whether rows with a gap are dropped.

    Raises
    ------
    CustomerError
        If the content type is not supported.
    """

    def __init__(
        self,
        configuration: ChannelConfiguration,
        form: RecordForm,
        mini_batch_size: int,
        reading: Reading | None = None,
        *,
        coordinates: Coordinates = PLAIN,
    ) -> None:
        reading = reading or Reading()
        # Whoever waits for what comes over the network can't compute in the meantime.
        reading = replace(reading, threaded=reading.threaded or configuration.mode != "File")
        self.path = configuration.path
        self.id_column, self.drops = form.selection.ident, form.missing == "drop"
        self._fills_gaps = form.missing == "mean"
        self.coordinates = coordinates
        self._choose: Choose | None = None
        self._choosing_rows = 0
        self._opener = Opener(configuration, form, reading, self._giving_up)
        self.rereadable = self._opener.rereadable
        self._position = Position()
        self._configuration = configuration
        self._feature_dim, self._width, self._weighted = form.feature_dim, form.width, form.weighted
        self._mini_batch_size = mini_batch_size
        self._reading = reading
        self._alone = reading.place.count == 1
        self.shared = not self._alone and configuration.distribution == "FullyReplicated"
        self._interleaved: Interleaved[Rows] | None = None

    @property
    def passes(self) -> int:
        """Passes begun."""
        return self._position.passes

    @property
    def records_read(self) -> int:
        """Records read in the latest pass, so far."""
        return self._position.records_read

    @property
    def bytes_read(self) -> int:
        """Bytes read in the latest pass, so far."""
        return self._position.bytes_read

    def choose_coordinates_by(self, choose: Choose, n_rows: int = 0) -> None:
        """Have the coordinates chosen from rows drawn from the whole channel or, in Pipe mode, from the first ones.

        Parameters
        ----------
        choose : callable
            Called once, in the thread that asks for rows, with some of them as they are, ndarray of float64, shape
            (n, d), the number of rows that they stand for, and their weights, ndarray of float64, shape (n,), or None.
            There are none if the job is to stop.
        n_rows : int
            The number of rows that it needs, if they fit into a block: to draw or, in Pipe mode, to wait for.
        """
        self._choose = choose
        self._choosing_rows = min(n_rows, max(1, BLOCK_BYTES // (8 * self._feature_dim)))

    def _choose_coordinates(self, rows: DoubleArray, n_represented: int) -> None:
        """Have the coordinates chosen by rows with their weights, if these are not chosen yet."""
        if self._choose is not None:
            choose, self._choose = self._choose, None
            self.coordinates = choose(rows[:, : self._feature_dim], n_represented, self._weights_of(rows))

    def _weights_of(self, rows: DoubleArray) -> DoubleArray | None:
        """Return the weights of rows as they are read, float64 (n,); None if they have none."""
        return rows[:, -1].copy() if self._weighted else None

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points in the coordinates of the rows."""
        return self.coordinates.relative(points)

    def blocks(self, skip: int = 0) -> Iterator[Rows]:
        """Yield this host's rows of the channel, once.

        In Pipe mode each pass reads the FIFO that follows that of the pass before.

        Parameters
        ----------
        skip : int
            The number of this host's rows to skip first.

        Yields
        ------
        ndarray of float32, shape (n, feature_dim), or WeightedPoints
            C-contiguous; a mini-batch each, of `mini_batch_size` rows, fewer only in the last one. A mini-batch that
            would take more than `BLOCK_BYTES` comes in several blocks. Valid until the next one is asked for.

        Raises
        ------
        CustomerError
            If the data are not what they should be, naming file and record, or if there is no record at all.
        PlatformError
            If the data can't be read.
        """
        return cast(Iterator[Rows], self._pass(skip, packing=False))

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        """Yield rows as `blocks` does, but records that are alike as packed rows, which all cores can read from a file.

        The caller takes some of the packed rows before it asks for the next stretch; the others then come in blocks.
        Mini-batches that take more than `BLOCK_BYTES` come in blocks too. So do all rows of a host with a single core
        among several, which reads while it waits for the others, and rows that hosts divide among themselves.
        """
        may_pack = not self._weighted and (self._alone or (self._reading.threads > 1 and not self.shared))
        return self._pass(skip, packing=may_pack and self._configuration.mode == "File")

    def _pass(self, skip: int, *, packing: bool) -> Iterator[Stretch]:
        position = self._position
        position.passes += 1
        position.records_read = position.bytes_read = 0
        position.needed_rows = self._reading.needed_rows if self.rereadable and not skip else 0
        if self._choose is not None and not self.rereadable:
            rows = self._opener.first_rows(position.passes, max(self._choosing_rows, ENOUGH_ROWS))
            self._choose_coordinates(rows, len(rows))
        many = packing and self._alone
        together = max(1, self._opener.rows_together() // self._mini_batch_size) if many else 1
        filling = Filling(self._opener, self._division(together), position, self.coordinates)
        if skip and self._fills_gaps:
            # Rows with a gap are counted among those that a resumed job skips, too.
            blocks = self._filled(partial(filling.fill, skip=0, packing=False), together)
            yield from _behind(skip, cast(Iterator[Rows], blocks))
        else:
            yield from self._filled(partial(filling.fill, skip=skip, packing=packing), together)

    def _division(self, together: int) -> Division:
        interleaved_rows = max(1, INTERLEAVED_ROW_BYTES // (4 * self._feature_dim))
        return Division(
            self._mini_batch_size,
            together,
            together * self._mini_batch_size if self._reading.threaded else interleaved_rows,
            # Only rows that all hosts have are divided.
            self._reading.place if self.shared else ALONE,
            may_be_empty=not self._alone,
        )

    def read_ahead(self) -> bool:
        """Read a little of what `blocks` yields next, in the thread that calls this.

        Returns
        -------
        bool
            Whether there is more to read, and room for it; never so where a thread reads.
        """
        return self._interleaved is not None and self._interleaved.read_ahead()

    def files(self) -> list[Path]:
        """Return the files of the channel in the order in which their rows come; not for Pipe mode."""
        return self._opener.paths(1)

    def file_blocks(self, path: Path) -> Generator[Rows, None, None]:
        """Yield the rows of one file of the channel, in blocks as those of `blocks`; there may be none.

        All rows are among them. Those that are dropped elsewhere have NaN in the place of a gap, or the weight 0.

        Raises
        ------
        CustomerError, PlatformError
            As `blocks`.
        """
        fill = partial(fill_from, self._opener, path, self.coordinates)
        yield from cast(Iterator[Rows], self._filled(fill))

    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the features, if the files have names; empty if not.

        Raises
        ------
        CustomerError, PlatformError
            As `blocks`.
        """
        return self._opener.feature_names()

    def feature_columns(self) -> tuple[str, ...]:
        """Return the names of the columns that the features are in: fewer than features if columns hold lists."""
        return self._opener.feature_columns if self.feature_names() else ()

    def gap_rows(self) -> int:
        """Return the number of rows with a gap that this host has read, each counted once."""
        return self._opener.gap_rows()

    def restore_gap_rows(self, count: int) -> None:
        """Resume from the `gap_rows` of an interrupted run."""
        self._opener.earlier_gap_rows = count

    def file_ids(self, path: Path) -> Generator[Any, None, None]:
        """Yield the ids of the rows of one file of the channel, which must have a column of ids.

        Yields
        ------
        pyarrow.Array
            Texts, for some rows at a time.

        Raises
        ------
        CustomerError, PlatformError
            As `blocks`.
        """
        with self._opener.opened(path) as reader:
            yield from reader.ids()

    def _filled(self, fill: PackingFill[Rows], together: int = 1) -> Iterator[Stretch]:
        """Yield the blocks that `fill` fills, read by a thread or, without one, between two uses of them."""
        new_buffer = partial(self._new_buffer, together)
        if self._reading.threaded:
            yield from prefetched(fill, new_buffer, waits=not self.rereadable)
        else:
            self._interleaved = Interleaved(fill, new_buffer)
            try:
                yield from self._interleaved
            finally:
                self._interleaved = None

    def _new_buffer(self, together: int) -> Rows:
        block_rows = max(1, min(together * self._mini_batch_size, BLOCK_BYTES // (4 * self._feature_dim)))
        rows = np.empty((block_rows, self._feature_dim), np.float32)
        return WeightedPoints(rows, np.empty(block_rows)) if self._weighted else rows

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Rows, int]:
        """Return rows drawn uniformly without replacement from the whole channel, whatever their weights.

        Parameters
        ----------
        size : int
            The rows wanted; all are drawn when there are fewer.
        rng : numpy.random.Generator
            The source of randomness.

        Returns
        -------
        rows : ndarray of float32, shape (min(size, records), feature_dim), or WeightedPoints
            In the channel's order.
        records : int
            The number of records in the channel.

        Raises
        ------
        CustomerError
            As `blocks`.
        PlatformError
            If the data can't be read.
        GivenUpError
            If the job is to stop, and that is overdue.
        AlgorithmError
            In Pipe mode, where all that is read is gone.
        """
        if not self.rereadable:
            raise AlgorithmError(f"The channel '{self._configuration.name}' comes through a pipe: rows can't be drawn")
        try:
            drawn = max(size, self._choosing_rows) if self._choose else size
            rows, records = sample(self.files(), self._opener.opened, self._width, drawn, rng)
        except GivenUpError:
            self._choose_coordinates(np.empty((0, self._width)), 0)
            raise
        if size and self._alone and not records:
            raise self.no_records()
        self._choose_coordinates(rows, records)
        if len(rows) > size:
            rows = rows[np.sort(rng.choice(len(rows), size, replace=False))]
        features = self.coordinates.rows(rows[:, : self._feature_dim])
        return with_weights(features, self._weights_of(rows)), records

    def no_records(self) -> CustomerError:
        """Return the error for a channel without a record."""
        return self._opener.no_records()

    def _giving_up(self) -> bool:
        """Return whether to read no further."""
        return self._reading.stop.overdue() and self._position.records_read >= self._position.needed_rows


def _behind(skip: int, blocks: Iterator[Rows]) -> Iterator[Rows]:
    """Yield rows without the first ones."""
    for rows in blocks:
        if skip < len(rows):
            yield rows[skip:]
        skip = max(0, skip - len(rows))
