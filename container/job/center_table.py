"""A bare table of centers in the channel `model`: CSV, Parquet, RecordIO or .npy, in place of a model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from container.artifacts import model as artifacts
from container.channels.files import channel_files, listed
from container.channels.form import RecordForm
from container.channels.opener import Opener
from container.channels.reading import Reading
from container.configuration.channels import CSV, MODEL, NPY, PARQUET, RECORDIO, ChannelConfiguration
from container.errors import CustomerError
from container.files.regular import open_regular
from container.formats import magic
from container.formats.columns import Selection, refuse_moved
from container.formats.errors import FormatError
from container.resources import memory_limit_bytes
from kmeans.settings import TrainingSettings
from kmeans.types import DoubleArray

_CONTENT_TYPES = {magic.NPY: NPY, magic.PARQUET: PARQUET, magic.RECORDIO: RECORDIO}
# The beginning of a file, in which its format is recognized, and names in a first line.
_HEAD_BYTES = 1 << 16
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def table_in(channel: ChannelConfiguration) -> ChannelConfiguration | None:
    """Return the channel as one of a table, with the content type that its first file has; None if it has a model.

    Raises
    ------
    CustomerError
        If its first file is clearly neither.
    """
    if channel.content_type != MODEL:
        return replace(channel, label_size=channel.label_size or 0)
    names = {path.name for path in channel.path.iterdir()} if channel.path.is_dir() else set()
    if artifacts.TARBALL in names or any(name.startswith(artifacts.MODEL_PREFIX) for name in names):
        return None
    files = channel_files(channel.path).data
    if not files:
        return None
    with open_regular(files[0]) as file:
        beginning = file.read(_HEAD_BYTES)
    content_type = _CONTENT_TYPES.get(magic.recognized(beginning))
    if content_type is None and files[0].suffix.lower() == ".csv":
        content_type = CSV
    if content_type is None:
        raise CustomerError(
            f"Channel {channel.name}: expected a model, or centers as .npy, Parquet, RecordIO or a file named .csv, got"
            f" {listed(files, channel.path)}"
        )
    header = content_type == CSV and _has_names(beginning)
    return replace(channel, content_type=content_type, label_size=0, header=header)


def _has_names(beginning: bytes) -> bool:
    """Return whether the first line of CSV has names: its first cell that is not empty is no number."""
    line, _, _ = beginning.removeprefix(_BYTE_ORDER_MARK).partition(b"\n")
    cells = (cell.strip().strip(b'"') for cell in line.split(b","))
    try:
        float(next(filter(None, cells), b"0"))
    except ValueError:
        return True
    return False


def read_centers(
    channel: ChannelConfiguration,
    settings: TrainingSettings,
    columns_in_data: Sequence[str] = (),
    feature_names: Sequence[str] = (),
) -> DoubleArray:
    """Read a table of centers.

    Parameters
    ----------
    channel : ChannelConfiguration
        The channel, as `table_in` returns it.
    settings : TrainingSettings
        They say how many centers, of how many features, there must be.
    columns_in_data : sequence of str
        The names of the columns of the features in the training data. If there are any, a table whose columns have
        names must have these, in any order; it may have others too.
    feature_names : sequence of str
        The names of the features that the job has; those of a table must not be in other columns.

    Returns
    -------
    ndarray of float64, shape (k, d) or (K, d)
        In the units of the data.

    Raises
    ------
    CustomerError, PlatformError
        If it is no such table, or can't be read.
    """
    selection = Selection(tuple(columns_in_data) if channel.has_names else ())
    form = RecordForm(settings.n_features, channel.label_size, channel.header, selection)
    opener = Opener(channel, form, Reading(), lambda: False)
    files = opener.paths(1)
    n_rows = [_count(opener, file) for file in files]
    _check_size(channel, settings, sum(n_rows), files)
    centers: DoubleArray = np.empty((sum(n_rows), settings.n_features))
    begin = 0
    for file, count in zip(files, n_rows, strict=True):
        with opener.opened(file) as reader:
            if reader.read(centers[begin : begin + count]) < count:
                raise FormatError(f"expected {count} rows, as at first, got fewer")
            if not columns_in_data:
                refuse_moved(feature_names, reader.feature_names)
        begin += count
    return centers


def _count(opener: Opener, file: Path) -> int:
    with opener.opened(file) as reader:
        return reader.count(guess=False)


def _check_size(channel: ChannelConfiguration, settings: TrainingSettings, n_rows: int, files: Sequence[Path]) -> None:
    """Check the number of rows, and that there is memory for them, whatever a file says that they hold."""
    k, n_centers = settings.k, settings.n_centers
    if n_rows not in (k, n_centers):
        or_more = f", or of k * extra_center_factor = {n_centers}" if n_centers > k else ""
        raise CustomerError(
            f"Channel {channel.name}: expected a table of k = {k} centers{or_more}, got one of {n_rows} rows in "
            f"{listed(files, channel.path) or 'no file'}"
        )
    n_bytes, limit = 8 * n_rows * settings.n_features, memory_limit_bytes() // 2
    if n_bytes > limit:
        raise CustomerError(
            f"Channel {channel.name}: expected centers of at most {limit} bytes, for which there is memory, got "
            f"{n_rows} of feature_dim {settings.n_features}, which take {n_bytes}"
        )
