"""The channels of a job: their content types, input modes and other settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from container.errors import CustomerError
from container.formats import charset
from container.formats.errors import shown

RECORDIO = "application/x-recordio-protobuf"
CSV = "text/csv"
PARQUET = "application/x-parquet"
NPY = "application/x-npy"
MODEL = "application/x-sagemaker-model"
# The parameter of text/csv that says whether the first line has names, and its values (RFC 4180).
HEADER = "header"
HEADERS = ("present", "absent")
# Content type -> the parameters that may follow it.
CONTENT_TYPES: Mapping[str, frozenset[str]] = {
    RECORDIO: frozenset({"version", *charset.PARAMETERS}),
    CSV: frozenset({"label_size", HEADER, *charset.PARAMETERS}),
    PARQUET: frozenset({"label_size"}),
    NPY: frozenset({"label_size"}),
    MODEL: frozenset(),
}
REQUIRED_CHANNELS = ("train",)
# Channel -> its content types; the first is the default.
_ROWS = (RECORDIO, CSV, PARQUET, NPY)
# The first one of `model` stands for a table too, whose format is then recognized.
CHANNELS: Mapping[str, tuple[str, ...]] = {"train": _ROWS, "test": _ROWS, "model": (MODEL, *_ROWS)}

InputMode = Literal["File", "FastFile", "Pipe"]
# Those of a model, of Parquet, of numpy's files and of CSV with a header: a pipe has no beginning of a file to go to.
FILE_MODES = ("File", "FastFile")

_LABEL_SIZE = re.compile(r"[0-9]{1,9}")


class ContentType(NamedTuple):
    """What a content type states of the data of a channel.

    Attributes
    ----------
    name : str
        A key of `CONTENT_TYPES`, in lower case and without parameters.
    label_size : int or None
        Number of leading label columns; None if it is not stated.
    header : bool
        Whether the first line of each file has the names of the columns.
    """

    name: str
    label_size: int | None = None
    header: bool = False


@dataclass(frozen=True, slots=True)
class ChannelConfiguration:
    """One channel of the job.

    Attributes
    ----------
    name : str
        A key of `CHANNELS`.
    content_type : str
        A key of `CONTENT_TYPES`, in lower case and without parameters.
    label_size : int or None
        Number of leading label columns; None if the content type does not state it.
    mode : {"File", "FastFile", "Pipe"}
        The input mode.
    distribution : str
        ``FullyReplicated`` or ``ShardedByS3Key``.
    path : Path
        The folder of the channel; in Pipe mode the FIFO of pass n is this path followed by ``_<n>``.
    header : bool
        Whether the first line of each file has the names of the columns.
    """

    name: str
    content_type: str
    label_size: int | None
    mode: InputMode
    distribution: str
    path: Path
    header: bool = False

    @property
    def has_names(self) -> bool:
        """Whether the columns have names."""
        return self.header or self.content_type == PARQUET


def channels_of(given: Mapping[str, object], folder: Path) -> dict[str, ChannelConfiguration]:
    """Return the channels of a job.

    Parameters
    ----------
    given : Mapping of str to object
        The settings of each channel, by its name, as ``inputdataconfig.json`` has them.
    folder : Path
        The folder of all channels.

    Returns
    -------
    dict of str to ChannelConfiguration
        In the order of `CHANNELS`.

    Raises
    ------
    CustomerError
        If a channel or one of its settings is missing, unknown or invalid.
    """
    faults = [f"Missing required channel: {name}" for name in REQUIRED_CHANNELS if name not in given]
    faults += [
        f"Extraneous channel found: {name[:64]} (expected {' or '.join(CHANNELS)})"
        for name in given
        if name not in CHANNELS
    ]
    if faults:
        raise CustomerError("; ".join(faults))
    return {name: _channel(name, given[name], folder / name) for name in CHANNELS if name in given}


def _channel(name: str, given: object, path: Path) -> ChannelConfiguration:
    if not isinstance(given, dict):
        raise CustomerError(f"Channel {name}: expected an object of settings, got {shown(given)}")
    modes = FILE_MODES if name == "model" else get_args(InputMode)
    mode = _one_of(name, given, "TrainingInputMode", modes, "File")
    distribution = _one_of(name, given, "S3DistributionType", ("FullyReplicated", "ShardedByS3Key"), "FullyReplicated")
    _one_of(name, given, "RecordWrapperType", ("None",), "None")
    stated = content_type_of(name, given.get("ContentType"))
    channel = ChannelConfiguration(
        name, stated.name, stated.label_size, cast(InputMode, mode), distribution, path, stated.header
    )
    if (channel.has_names or stated.name == NPY) and mode not in FILE_MODES:
        what = f"{CSV};{HEADER}=present" if stated.name == CSV else stated.name
        raise CustomerError(
            f"Channel {name}: expected TrainingInputMode {' or '.join(FILE_MODES)} for {what}, got {mode}: a pipe has"
            " all files as one, in which no file begins or ends"
        )
    return channel


def _one_of(channel: str, given: Mapping[str, Any], setting: str, known: tuple[str, ...], default: str) -> str:
    value = given.get(setting) or default
    if value not in known:
        raise CustomerError(f"Channel {channel}: expected {setting} {' or '.join(known)}, got {shown(value)}")
    return str(value)


def content_type_of(channel: str, given: object) -> ContentType:
    """Return a channel's content type, by default the first one in `CHANNELS`."""
    known_types = CHANNELS[channel]
    if given is None or given == "":
        return ContentType(known_types[0])
    name, *rest = str(given).lower().split(";")
    name = name.strip()
    if name not in known_types:
        raise CustomerError(f"Channel {channel}: expected content type {' or '.join(known_types)}, got {shown(given)}")
    stated = ContentType(name)
    for parameter in filter(None, map(str.strip, rest)):
        key, _, value = (part.strip().strip('"') for part in parameter.partition("="))
        if key not in CONTENT_TYPES[name]:
            known = " or ".join(sorted(CONTENT_TYPES[name])) or "nothing"
            raise CustomerError(
                f"Channel {channel}: expected {known} after content type {name}, got {shown(parameter)}"
            )
        if key in charset.PARAMETERS and not charset.is_utf_8(value):
            raise CustomerError(f"Channel {channel}: expected {key} utf-8, got {shown(value)}")
        if key == "label_size":
            if not _LABEL_SIZE.fullmatch(value):
                raise CustomerError(
                    f"Channel {channel}: expected label_size to be the number of label columns, got {shown(value)}"
                )
            stated = stated._replace(label_size=int(value))
        if key == HEADER:
            if value not in HEADERS:
                raise CustomerError(f"Channel {channel}: expected {HEADER} {' or '.join(HEADERS)}, got {shown(value)}")
            stated = stated._replace(header=value == HEADERS[0])
    return stated
