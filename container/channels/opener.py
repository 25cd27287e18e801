"""Opening the files of a channel, or its FIFOs, with a reader for each."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np

from container.channels.csv_reader import CSVReader
from container.channels.faults import Faults
from container.channels.files import channel_files, listed
from container.channels.reader import ByteReader, Reader
from container.channels.reading import Reading
from container.channels.recordio_reader import RecordIOReader
from container.channels.sampling import first_rows
from container.channels.stream import Stream, wait_for_fifo
from container.channels.team import Team
from container.configuration.files import CSV, RECORDIO, ChannelConfiguration
from container.errors import CustomerError
from container.formats.errors import FormatError
from container.logs.logger import LOGGER
from container.stopping import Stop
from kmeans.source import GivenUpError
from kmeans.types import DoubleArray

READERS: Final[Mapping[str, type[ByteReader]]] = {RECORDIO: RecordIOReader, CSV: CSVReader}

# Where reading is interleaved with waiting for other hosts, the bytes of a file that are read before checking whether
# the wait is over. Twice as much makes a host alone 3 % faster, and two hosts together slower.
INTERLEAVED_READ_BYTES: Final = 1 << 18


class Opener:
    """Opens the files of a channel, or its FIFOs.

    Parameters
    ----------
    channel : ChannelConfiguration
        Where the data are and what they are.
    feature_dim : int
        The numbers a row must have.
    reading : Reading
        How to read them.
    stop : Stop
        Once the job is to stop, a silent pipe is not waited for.
    giving_up : callable
        Called before each read; returns whether to stop reading.

    Attributes
    ----------
    rereadable : bool
        Whether files can be opened again; not so in Pipe mode.

    Raises
    ------
    CustomerError
        If the content type is not supported.
    """

    def __init__(
        self,
        channel: ChannelConfiguration,
        feature_dim: int,
        reading: Reading,
        stop: Stop,
        giving_up: Callable[[], bool],
    ) -> None:
        self.rereadable = channel.mode != "Pipe"
        self._channel = channel
        self._faults = Faults(channel)
        if channel.content_type not in READERS:
            raise self._faults.unsupported(READERS)
        self._kind = READERS[channel.content_type]
        self._feature_dim = feature_dim
        self._reading = reading
        self._stop = stop
        self._giving_up = giving_up
        self._team = Team(reading.threads) if reading.threads > 1 else None
        # A pipe whose first rows were looked at.
        self._opened: Stream | None = None
        # Paths in the channel that are no data, as far as the log names them.
        self._skipped: list[Path] = []

    def rows_together(self) -> int:
        """Return how many rows are worth reading at once."""
        return self._kind.bytes_together // (4 * self._feature_dim)

    def paths(self, passes: int) -> list[Path]:
        """Return what to read in a pass, the first one being 1: all files, or the FIFO of that pass once it is there.

        Raises
        ------
        CustomerError
            If there is something else in the place of a file or a FIFO.
        PlatformError
            If the folder can't be read, or if the FIFO does not appear in time.
        GivenUpError
            If the job is to stop before it appears.
        """
        path = self._channel.path
        if not self.rereadable:
            fifo = path.with_name(f"{path.name}_{passes - 1}")
            wait_for_fifo(fifo, self._reading.fifo_timeout_seconds, self._stop)
            return [fifo]
        try:
            files = channel_files(path)
        except OSError as error:
            raise self._faults.unreadable(path, error) from error
        if files.others and files.others != self._skipped:
            LOGGER.info(
                "channel %s: skipped %d files or folders that are no data: %s",
                self._channel.name,
                len(files.others),
                listed(files.others, path),
            )
        self._skipped = files.others
        return files.data

    @contextmanager
    def opened(self, path: Path) -> Iterator[Reader]:
        """Open a file or a FIFO.

        Yields
        ------
        Reader
            At its beginning.

        Raises
        ------
        CustomerError
            If the data are not what they should be, naming file and record.
        PlatformError
            If they can't be read.
        """
        try:
            opened, self._opened = self._opened, None
            with opened or self._stream(path) as stream:
                yield self._reader(stream)
        except FormatError as error:
            raise self._faults.broken(path, error) from error
        except OSError as error:
            raise self._faults.unreadable(path, error) from error

    def first_rows(self, passes: int, n_rows: int) -> DoubleArray:
        """Return about `n_rows` of the first rows of the pipe of a pass.

        The pipe is then read as if nobody had looked at it.
        """
        with suppress(GivenUpError):
            (fifo,) = self.paths(passes)
            try:
                self._opened = self._stream(fifo)
                return first_rows(self._opened, self._reader_of, n_rows)
            except OSError as error:
                raise self._faults.unreadable(fifo, error) from error
        return np.empty((0, self._feature_dim))

    def no_records(self) -> CustomerError:
        """Return the error for a channel without a record."""
        return self._faults.empty(len(self.paths(1)) if self.rereadable else 1, self._skipped)

    def _stream(self, path: Path) -> Stream:
        return Stream(path, self._giving_up, self._stop.requested, piped=not self.rereadable)

    def _reader_of(self, beginning: bytes) -> Reader:
        return self._reader(io.BytesIO(self._kind.whole_records(beginning)))

    def _reader(self, stream: io.RawIOBase | io.BytesIO) -> Reader:
        window_bytes = None if self._reading.threaded else INTERLEAVED_READ_BYTES
        return self._kind(stream, self._feature_dim, self._channel.label_size, window_bytes, self._team)
