"""A channel as mini-batches of rows."""

import io
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, cast

import numpy as np

from container.channels.csv_reader import CSVReader
from container.channels.files import Stream, channel_files, shown, wait_for_fifo
from container.channels.interleaved import Interleaved
from container.channels.prefetch import Filled, PackingFill, prefetched
from container.channels.reader import Reader
from container.channels.recordio_reader import RecordIOReader
from container.channels.sampling import first_rows, sample
from container.channels.team import Team
from container.configuration.files import CSV, RECORDIO, ChannelConfiguration
from container.errors import AlgorithmError, CustomerError, PlatformError
from container.formats.errors import FormatError, InfiniteValueError, MissingValueError
from container.hosts.place import ALONE, HostPlace
from container.logs.logger import LOGGER
from container.precision.coordinates import PLAIN, Coordinates
from container.stopping import Stop
from kmeans.packed_rows import PackedRows
from kmeans.source import GivenUpError, Stretch
from kmeans.types import DoubleArray, FloatArray

READERS: Final[Mapping[str, type[Reader]]] = {RECORDIO: RecordIOReader, CSV: CSVReader}

# What a block of rows takes at most, unless a single row takes more.
BLOCK_BYTES: Final = 64 << 20
# Where reading is interleaved with waiting for other hosts, what is read of a file, and decoded, before it is looked
# whether they have come. Twice as much makes a host alone 3 % faster, and two hosts together slower.
INTERLEAVED_READ_BYTES: Final = 1 << 18
INTERLEAVED_ROW_BYTES: Final = 1 << 17
# Mini-batches between two attempts at what came to nothing again and again.
_MOST_WAIT: Final = 1 << 10
# Of rows in float64, before they are rounded.
_EXACT_BYTES: Final = 1 << 20

_WRONG_CONTENT = "Requested content-type is '{}'. Please verify the data matches the requested content-type."
_NO_CONTENT = "Please verify the correct data channel configuration is provided."
# What is wrong with the data -> the built-in's words for it. The first class that fits counts.
_SENTENCES: Final[Mapping[type[FormatError], str]] = {
    MissingValueError: ("Found missing (NaN) values. Please remove any missing (NaN) values in the input data."),
    InfiniteValueError: (
        "Found infinite floating point values. Please remove any infinite floating point values in the input data."
    ),
    FormatError: _WRONG_CONTENT,
}


class _Attempts:
    """Whether to try a shortcut at a mini-batch: the more seldom, the more often it came to nothing."""

    def __init__(self) -> None:
        self._failures = 0
        self._wait = 0

    def due(self) -> bool:
        """Return whether to try, asked at each mini-batch."""
        self._wait -= 1
        return self._wait < 0

    def made(self, success: bool) -> None:
        """Hear of an attempt."""
        self._failures = 0 if success else self._failures + 1
        self._wait = min((1 << self._failures) - 1, _MOST_WAIT)


class Source:
    """The rows of a channel.

    Parameters
    ----------
    channel : ChannelConfiguration
        Where the data are and what they are.
    feature_dim : int
        The numbers a row must have.
    mini_batch_size : int
        The rows of a mini-batch.
    hosts : HostPlace
        This host's place among those of the job. Where all have the same data they divide the mini-batches: one of
        each in turn. With more than one host, it may be that this one has no record.
    stop : Stop
        When the job is to stop, a silent pipe is given up, and when that is overdue, everything: there are no more
        blocks then. What is there of the very first block is given.
    needed_rows : int
        So many rows of files are read in any case, since there is no model without them.
    fifo_timeout_seconds : float
        How long to wait for a FIFO to appear in Pipe mode.
    threaded : bool
        Whether a thread reads ahead. Without it, files that lie here are read when their rows are asked for, and in
        `read_ahead`; pipes and FastFile mode have a thread in any case.
    coordinates : Coordinates
        Those of the rows that are given.
    threads : int
        How many of them decode CSV side by side, if rows are many enough: the one that reads, and others that help it.

    Attributes
    ----------
    path : Path
        Where the data are.
    rereadable : bool
        Whether rows can be drawn before they are read; not so in Pipe mode.
    shared : bool
        Whether several hosts have the same data.
    passes : int
        Passes begun.
    records_read, bytes_read : int
        Of the latest pass, so far.
    coordinates : Coordinates
        As given, or as chosen; see `settle_by`.

    Raises
    ------
    CustomerError
        If the content type is not supported.
    """

    def __init__(
        self,
        channel: ChannelConfiguration,
        feature_dim: int,
        mini_batch_size: int,
        hosts: HostPlace = ALONE,
        stop: Stop | None = None,
        needed_rows: int = 0,
        fifo_timeout_seconds: float = 900.0,
        *,
        threaded: bool = True,
        coordinates: Coordinates = PLAIN,
        threads: int = 1,
    ) -> None:
        self.path = channel.path
        self.coordinates = coordinates
        self._choose: Callable[[DoubleArray], Coordinates] | None = None
        # A pipe whose first rows were looked at.
        self._opened: Stream | None = None
        self.rereadable = channel.mode != "Pipe"
        self.passes = 0
        self.records_read = 0
        self.bytes_read = 0
        # Whether this pass is to give the rows that are needed.
        self._in_need = False
        self._channel = channel
        self._feature_dim = feature_dim
        self._mini_batch_size = mini_batch_size
        self._may_be_empty = hosts.count > 1
        self.shared = hosts.count > 1 and channel.distribution == "FullyReplicated"
        # Only rows that all hosts have are divided.
        self._hosts = hosts if self.shared else ALONE
        self._stop = stop or Stop()
        self._needed_rows = needed_rows
        self._fifo_timeout_seconds = fifo_timeout_seconds
        # Who waits for what comes over the network can't compute meanwhile.
        self._threaded = threaded or channel.mode != "File"
        self._team = Team(threads) if threads > 1 else None
        self._interleaved: Interleaved | None = None
        # Paths in the channel that are no data, as far as was said.
        self._others: list[Path] = []
        self._content_type = channel.content_type or RECORDIO
        if self._content_type not in READERS:
            raise self._error(_WRONG_CONTENT, f"supported are {' and '.join(READERS)}")

    def settle_by(self, choose: Callable[[DoubleArray], Coordinates]) -> None:
        """Have the coordinates chosen by the first rows, once these are drawn or, of a pipe, have come.

        Parameters
        ----------
        choose : callable
            Called once, in the thread that asks for rows, with some of them as they are: float64 (n, d). There are none
            where the job is to stop.
        """
        self._choose = choose

    def _settle(self, rows: DoubleArray) -> None:
        if self._choose is not None:
            choose, self._choose = self._choose, None
            self.coordinates = choose(rows)

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points in the coordinates of the rows."""
        return self.coordinates.relative(points)

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        """Give one pass over this host's rows of the channel.

        In Pipe mode each pass reads the FIFO that follows that of the pass before.

        Parameters
        ----------
        skip : int
            So many of this host's rows are passed over first.

        Yields
        ------
        ndarray of shape (n, feature_dim), float32
            C-contiguous; a mini-batch each, of `mini_batch_size` rows, fewer only in the last one. One that would take
            more than `BLOCK_BYTES` comes in several blocks. Valid until the next one is asked for.

        Raises
        ------
        CustomerError
            If the data are not what they should be, naming file and record, or if there is no record at all.
        PlatformError
            If the data can't be read.
        """
        return cast(Iterator[FloatArray], self._pass(skip, packing=False))

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        """Give one pass as `blocks` does, but records alike as they lie in a file, where all cores can read them.

        Whoever gets packed rows takes some of them before the next stretch is asked for; what is left of them then
        comes in blocks. So do mini-batches that take more than `BLOCK_BYTES`.
        """
        alone = not self._may_be_empty and self._channel.mode == "File"
        return self._pass(skip, packing=alone)

    def _pass(self, skip: int, *, packing: bool) -> Iterator[Stretch]:
        self.passes += 1
        self.records_read = self.bytes_read = 0
        self._in_need = not skip
        if self._choose is not None and not self.rereadable:
            self._settle(self._first_rows())
        together = self._batches_together() if packing else 1
        plain = packing and self.coordinates.plain
        yield from self._filled(lambda take: self._fill(take, skip, together, packing=plain), together)

    def read_ahead(self) -> bool:
        """Read a little of what `blocks` gives next, in the thread that calls this.

        Returns
        -------
        bool
            Whether there is more to read, and room for it; never so where a thread reads.
        """
        return self._interleaved is not None and self._interleaved.read_ahead()

    def files(self) -> list[Path]:
        """Give the files of the channel in the order in which their rows come; not for Pipe mode."""
        return self._paths()

    def file_blocks(self, path: Path) -> Generator[FloatArray, None, None]:
        """Give the rows of one file of the channel, in blocks as those of `blocks`; there may be none.

        Raises
        ------
        CustomerError, PlatformError
            As `blocks`.
        """
        yield from cast(Iterator[FloatArray], self._filled(lambda take: self._fill_from(path, take)))

    def _batches_together(self) -> int:
        """Return how many mini-batches to read at a time."""
        wanted = READERS[self._content_type].bytes_together // (4 * self._feature_dim * self._mini_batch_size)
        return max(1, wanted)

    def _filled(self, fill: PackingFill, together: int = 1) -> Iterator[Stretch]:
        """Give the blocks that `fill` fills, read by a thread or, without one, in turns with what is done with them."""
        if self._threaded:
            new_buffer = partial(self._new_buffer, together)
            yield from prefetched(fill, new_buffer, waits=not self.rereadable)
        else:
            self._interleaved = Interleaved(fill, partial(self._new_buffer, together))
            try:
                yield from self._interleaved
            finally:
                self._interleaved = None

    def _new_buffer(self, together: int = 1) -> FloatArray:
        block_rows = max(1, min(together * self._mini_batch_size, BLOCK_BYTES // (4 * self._feature_dim)))
        return np.empty((block_rows, self._feature_dim), np.float32)

    def _fill_from(self, path: Path, take: Callable[[], FloatArray]) -> Iterator[tuple[FloatArray, int]]:
        """Fill buffers with the rows of one file."""
        with self._reading(path) as reader:
            while count := self._read(reader, buffer := take()):
                yield buffer, count

    def _fill(
        self, take: Callable[[], FloatArray], skip: int, together: int, *, packing: bool
    ) -> Iterator[Filled | PackedRows | None]:
        """Fill buffers with this host's rows of the channel; no buffer has rows of a mini-batch that begins in another.

        A mini-batch that is larger than a buffer is in several. Of smaller ones `together` are in a buffer.
        """
        size, hosts = together * self._mini_batch_size, self._hosts
        piece_rows = size if self._threaded else max(1, INTERLEAVED_ROW_BYTES // (4 * self._feature_dim))
        batches, given = divmod(skip, size)
        # Records to pass over before the next row of this host.
        ahead = (batches * hosts.count + hosts.rank) * size + given
        buffer = take()
        # Whoever takes mini-batches whole has room for all rows of one, and ends with none before its end.
        packing = packing and len(buffer) >= self._mini_batch_size
        # Rows of this mini-batch in earlier buffers, and rows in this one.
        filled = 0
        try:
            for path in self._paths():
                bytes_before = self.bytes_read
                attempts = _Attempts()
                with self._reading(path) as reader:
                    while True:
                        if ahead:
                            ahead -= reader.skip(ahead)
                        if packing and not (ahead or filled or given) and attempts.due():
                            packed = reader.packed(self._mini_batch_size)
                            if packed is not None and packed.n_rows:
                                yield packed
                                reader.passed(packed)
                                self.records_read += packed.taken
                            attempts.made(packed is not None and packed.taken > 0)
                        before = reader.records
                        try:
                            out = buffer[filled : min(filled + piece_rows, size - given)]
                            count = 0 if ahead else self._read(reader, out)
                        finally:
                            # Rows that had come before the file was given up count too.
                            filled += reader.records - before
                            self.records_read += reader.records - before
                            self.bytes_read = bytes_before + reader.window.bytes_read
                        if not count:
                            break
                        if filled == min(len(buffer), size - given):
                            yield buffer, filled
                            given = (given + filled) % size
                            ahead = 0 if given else (hosts.count - 1) * size
                            buffer, filled = take(), 0
                        else:
                            yield None
        except GivenUpError:
            # A job that resumes needs whole mini-batches, but without any row there is no model.
            if not filled or filled < self.records_read or skip or self.passes > 1:
                filled -= filled % self._mini_batch_size
                if filled:
                    yield buffer, filled
                return
        if filled:
            yield buffer, filled
        if not (self.records_read or skip or self._may_be_empty):
            raise self.no_records()

    def sample(self, size: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """Draw rows uniformly without replacement over the whole channel.

        Parameters
        ----------
        size : int
            The rows wanted; all are given when there are fewer.
        rng : Generator
            The source of chance.

        Returns
        -------
        rows : ndarray of shape (min(size, records), feature_dim), float32
            In the channel's order.
        records : int
            How many there are.

        Raises
        ------
        CustomerError
            As `blocks`.
        PlatformError
            If the data can't be read.
        GivenUpError
            When the job is to stop, and that is overdue.
        AlgorithmError
            In Pipe mode, where all that is read is gone.
        """
        if not self.rereadable:
            raise AlgorithmError(f"The channel '{self._channel.name}' comes through a pipe: rows can't be drawn")
        try:
            rows, records = sample(self._paths(), self._reading, self._feature_dim, size, rng)
        except GivenUpError:
            self._settle(np.empty((0, self._feature_dim)))
            raise
        if size and not (records or self._may_be_empty):
            raise self.no_records()
        self._settle(rows)
        return self.coordinates.rows(rows), records

    def _paths(self) -> list[Path]:
        if self.rereadable:
            try:
                files = channel_files(self.path)
            except OSError as error:
                raise self._unreadable(self.path, error) from error
            if files.others and files.others != self._others:
                LOGGER.info(
                    "channel %s: skipped %d files or folders that are no data: %s",
                    self._channel.name,
                    len(files.others),
                    shown(files.others, self.path),
                )
            self._others = files.others
            return files.data
        fifo = self.path.with_name(f"{self.path.name}_{self.passes - 1}")
        wait_for_fifo(fifo, self._fifo_timeout_seconds, self._stop)
        return [fifo]

    def _read(self, reader: Reader, out: FloatArray) -> int:
        """Read rows as `reader` does, in the coordinates of the source."""
        if self.coordinates.plain:
            return reader.read(out)
        step = max(1, _EXACT_BYTES // (8 * self._feature_dim))
        for begin in range(0, len(out), step):
            part = out[begin : begin + step]
            exact = np.empty(part.shape)
            before = reader.records
            try:
                reader.read(exact)
            finally:
                # Rows that had come before the file was given up count too.
                count = reader.records - before
                part[:count] = self.coordinates.rows(exact[:count])
            if count < len(part):
                return begin + count
        return len(out)

    def _first_rows(self) -> DoubleArray:
        """Return some of the first rows of a pipe, which are then read as if nobody had looked at them."""
        with suppress(GivenUpError):
            (fifo,) = self._paths()
            try:
                self._opened = self._stream(fifo)
                whole_records = READERS[self._content_type].whole_records
                return first_rows(self._opened, lambda data: self._reader(io.BytesIO(whole_records(data))))
            except OSError as error:
                raise self._unreadable(fifo, error) from error
        return np.empty((0, self._feature_dim))

    def _stream(self, path: Path) -> Stream:
        return Stream(path, self._giving_up, self._stop.requested, piped=not self.rereadable)

    def _reader(self, stream: io.RawIOBase | io.BytesIO) -> Reader:
        window_bytes = None if self._threaded else INTERLEAVED_READ_BYTES
        kind = READERS[self._content_type]
        return kind(stream, self._feature_dim, self._channel.label_size, window_bytes, self._team)

    @contextmanager
    def _reading(self, path: Path) -> Iterator[Reader]:
        """Open a file, and tell what is wrong with it in the built-in's words."""
        try:
            opened, self._opened = self._opened, None
            with opened or self._stream(path) as stream:
                yield self._reader(stream)
        except FormatError as error:
            sentence = next(words for kind, words in _SENTENCES.items() if isinstance(error, kind))
            raise self._error(sentence, f"{self._shown(path)}, {error}") from error
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _giving_up(self) -> bool:
        """Return whether to read no further."""
        needed = self._needed_rows if self.rereadable and self._in_need else 0
        return self._stop.overdue() and self.records_read >= needed

    def _error(self, sentence: str, detail: str) -> CustomerError:
        words = sentence.format(self._content_type)
        return CustomerError(f"Unable to read data channel '{self._channel.name}'. {words} ({detail})")

    def no_records(self) -> CustomerError:
        """Give the error for a channel without a record."""
        n_files = len(self._paths()) if self.rereadable else 1
        others = f"; skipped as no data: {shown(self._others, self.path)}" if self._others else ""
        detail = f"{self.path}: expected data, got {n_files} files and no record in them{others}"
        return self._error(_NO_CONTENT, detail)

    def _unreadable(self, path: Path, error: OSError) -> PlatformError:
        reason = error.strerror or type(error).__name__
        return PlatformError(f"Unable to read data channel '{self._channel.name}'. ({self._shown(path)}: {reason})")

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self.path.parent)
