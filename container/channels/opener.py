"""Opening the files of a channel, or its FIFOs, with a reader for each."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np

from container.channels.csv_reader import CSVReader
from container.channels.faults import Faults
from container.channels.files import channel_files, listed, partitions
from container.channels.form import ReaderResources, RecordForm
from container.channels.gaps import GaplessReader, GapsReader
from container.channels.npy_reader import NpyReader
from container.channels.parquet_reader import ParquetReader
from container.channels.reader import Reader
from container.channels.reading import Reading
from container.channels.recordio_reader import RecordIOReader
from container.channels.sampling import first_rows
from container.channels.stream import Stream, wait_for_fifo
from container.channels.team import Team
from container.channels.weighted_recordio_reader import WeightedRecordIOReader
from container.channels.weights import WeightsReader
from container.configuration.channels import CSV, NPY, PARQUET, RECORDIO, ChannelConfiguration
from container.errors import CustomerError
from container.formats.columns import shown_names
from container.formats.errors import FormatError
from container.logs.logger import LOGGER
from kmeans.source import GivenUpError
from kmeans.types import DoubleArray

READERS: Final[Mapping[str, type[Reader]]] = {
    RECORDIO: RecordIOReader,
    CSV: CSVReader,
    PARQUET: ParquetReader,
    NPY: NpyReader,
}
# Readers of records with weights, for content types in which these are no column.
_WEIGHTED: Final[Mapping[str, type[Reader]]] = {RECORDIO: WeightedRecordIOReader}

# Where reading is interleaved with waiting for other hosts, the bytes of a file that are read before checking whether
# the wait is over. Twice as much makes a host alone 3 % faster, and two hosts together slower.
INTERLEAVED_READ_BYTES: Final = 1 << 18


class Opener:
    """Opens the files of a channel, or its FIFOs.

    Parameters
    ----------
    channel : ChannelConfiguration
        Where the data are and what they are.
    form : RecordForm
        What the records must hold.
    reading : Reading
        How to read them.
    giving_up : callable
        Called before each read; returns whether to stop reading.

    Attributes
    ----------
    rereadable : bool
        Whether files can be opened again; not so in Pipe mode.
    feature_columns : tuple of str
        The names of the columns that the features are in; see `feature_names`.
    earlier_gap_rows : int
        The number of rows with a gap that an interrupted run of the job has counted.

    Raises
    ------
    CustomerError
        If the content type is not supported.
    """

    def __init__(
        self,
        channel: ChannelConfiguration,
        form: RecordForm,
        reading: Reading,
        giving_up: Callable[[], bool],
    ) -> None:
        self.rereadable = channel.mode != "Pipe"
        self._channel = channel
        self._faults = Faults(channel)
        if channel.content_type not in READERS:
            raise self._faults.unsupported(READERS)
        self._kind = READERS[channel.content_type]
        if form.weighted:
            self._kind = _WEIGHTED.get(channel.content_type, self._kind)
        self._form = form
        self._reading = reading
        self._giving_up = giving_up
        self._resources = ReaderResources(
            None if reading.threaded else INTERLEAVED_READ_BYTES, Team(reading.threads) if reading.threads > 1 else None
        )
        # A pipe whose first rows were looked at.
        self._opened: Stream | None = None
        # Paths in the channel that are no data, as far as the log names them.
        self._skipped: list[Path] = []
        # What the log has said of columns that are left out.
        self._left_out = ""
        self._feature_names: tuple[str, ...] = ()
        self.feature_columns: tuple[str, ...] = ()
        # The number of rows with a gap in each file, as far as they are known.
        self._gap_rows: dict[Path, int] = {}
        self.earlier_gap_rows = 0

    def rows_together(self) -> int:
        """Return how many rows are worth reading at once."""
        return self._kind.bytes_together // (4 * self._form.feature_dim)

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
            wait_for_fifo(fifo, self._reading.fifo_timeout_seconds, self._reading.stop)
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
    def opened(self, path: Path, *, every_row: bool = False) -> Iterator[Reader]:
        """Open a file or a FIFO.

        Parameters
        ----------
        path : Path
            One of `paths`.
        every_row : bool
            Whether rows are read even if they are to be dropped, for a gap or the weight 0.

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
                reader = self._reader(stream, every_row=every_row)
                self._compare(reader)
                try:
                    yield reader
                finally:
                    self._gap_rows[path] = max(reader.gap_rows, self._gap_rows.get(path, 0))
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
        return np.empty((0, self._form.width))

    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the features: those of the first file that has names; empty if none has.

        The log names columns that are in the names of folders, which are not read.
        """
        with suppress(GivenUpError):
            paths = self.paths(1) if self.rereadable and self._kind.has_names(self._form) else []
            relative = [path.relative_to(self._channel.path) for path in paths]
            if folders := {name for path in relative for name in partitions(path)}:
                names = shown_names(sorted(folders))
                LOGGER.info("channel %s: left out the columns of partitions, %s", self._channel.name, names)
            for path in paths:
                if self._feature_names:
                    break
                with self.opened(path):
                    pass
        return self._feature_names

    def gap_rows(self) -> int:
        """Return the number of rows with a gap that were read, of each file in the pass that read the most of it."""
        return max(sum(self._gap_rows.values()), self.earlier_gap_rows)

    def no_records(self) -> CustomerError:
        """Return the error for a channel without a record."""
        dropped = self.gap_rows() if self._form.missing == "drop" else 0
        n_files = len(self.paths(1)) if self.rereadable else 1
        return self._faults.empty(n_files, self._skipped, dropped, weighted=self._form.weighted)

    def _stream(self, path: Path) -> Stream:
        return Stream(path, self._giving_up, self._reading.stop.requested, piped=not self.rereadable)

    def _reader_of(self, beginning: bytes) -> Reader:
        return self._reader(io.BytesIO(self._kind.whole_records(beginning)))

    def _reader(self, stream: io.RawIOBase | io.BytesIO, *, every_row: bool = False) -> Reader:
        form = self._form
        reader = self._kind.open(stream, form, self._resources)
        if form.weighted:
            reader = WeightsReader(reader, form.selection.weight, every_row=every_row)
        if not form.gaps:
            return reader
        return GaplessReader(reader) if form.missing == "drop" and not every_row else GapsReader(reader)

    def _compare(self, reader: Reader) -> None:
        """Check that a file has the names of those before, and log what is left out of it."""
        if reader.left_out and reader.left_out != self._left_out:
            self._left_out = reader.left_out
            LOGGER.info("channel %s: left out %s", self._channel.name, reader.left_out)
        if not reader.feature_names:
            return
        if self._feature_names and reader.feature_names != self._feature_names:
            raise FormatError(
                f"expected the columns of the other files, {shown_names(self._feature_names)},"
                f" got {shown_names(reader.feature_names)}: feature_columns chooses columns in any order"
            )
        self._feature_names, self.feature_columns = reader.feature_names, reader.feature_columns
