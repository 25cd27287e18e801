"""Read the three JSON files that SageMaker provides for a training job into typed values."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from container.configuration.hyperparameters import Hyperparameters, parse
from container.errors import CustomerError, PlatformError
from container.files import json_object
from container.formats import charset
from container.formats.errors import shown
from container.hosts.place import HostPlace

RECORDIO = "application/x-recordio-protobuf"
CSV = "text/csv"
PARQUET = "application/x-parquet"
MODEL = "application/x-sagemaker-model"
# The parameter of text/csv that says whether the first line has names, and its values (RFC 4180).
HEADER = "header"
HEADERS = ("present", "absent")
# Content type -> the parameters that may follow it.
CONTENT_TYPES: Mapping[str, frozenset[str]] = {
    RECORDIO: frozenset({"version", *charset.PARAMETERS}),
    CSV: frozenset({"label_size", HEADER, *charset.PARAMETERS}),
    PARQUET: frozenset({"label_size"}),
    MODEL: frozenset(),
}
REQUIRED_CHANNELS = ("train",)
# Channel -> its content types; the first is the default.
_ROWS = (RECORDIO, CSV, PARQUET)
CHANNELS: Mapping[str, tuple[str, ...]] = {"train": _ROWS, "test": _ROWS, "model": (MODEL,)}

InputMode = Literal["File", "FastFile", "Pipe"]
# Those of a model, of Parquet and of CSV with a header: a pipe has no beginning of a file to go to.
FILE_MODES = ("File", "FastFile")

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_LABEL_SIZE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of SageMaker's contract for containers.

    Parameters
    ----------
    base : Path
        The root of all paths.
    """

    base: Path

    @classmethod
    def from_environment(cls) -> "Paths":
        """Take the root from ``SAGEMAKER_BASE_DIR``; the default is ``/opt/ml``."""
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml"))

    @property
    def config(self) -> Path:
        """Folder of the three JSON files."""
        return self.base / "input" / "config"

    @property
    def resources(self) -> Path:
        """File that names the hosts of the job."""
        return self.config / "resourceconfig.json"

    @property
    def data(self) -> Path:
        """Folder of the channels: a folder for each, or FIFOs named ``<channel>_<pass>``."""
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        """Folder that becomes ``model.tar.gz``."""
        return self.base / "model"

    @property
    def models(self) -> Path:
        """Folder of the models of a multi-model endpoint."""
        return self.base / "models"

    @property
    def output(self) -> Path:
        """Folder of all other outputs of a job."""
        return self.base / "output"

    @property
    def output_data(self) -> Path:
        """Folder that becomes ``output.tar.gz``."""
        return self.output / "data"

    @property
    def failure(self) -> Path:
        """File whose first 1,024 characters become the job's FailureReason."""
        return self.output / "failure"

    @property
    def checkpoints(self) -> Path:
        """Folder that is synced with S3 while the job runs; it exists only if the user has configured checkpoints."""
        return self.base / "checkpoints"


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

    Parameters
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


@dataclass(frozen=True, slots=True)
class JobConfiguration:
    """The configuration of a training job.

    Parameters
    ----------
    paths : Paths
        The paths of the job.
    raw_hyperparameters : Mapping of str to str
        The hyperparameters as sent, without defaults.
    hyperparameters : Hyperparameters
        The parsed hyperparameters, with defaults.
    channels : dict of str to ChannelConfiguration
        The channels by name, `train` first.
    place : HostPlace
        This host among the hosts of the job.
    network_interface_name : str
        The interface on which hosts reach each other.
    """

    paths: Paths
    raw_hyperparameters: Mapping[str, str]
    hyperparameters: Hyperparameters
    channels: dict[str, ChannelConfiguration]
    place: HostPlace
    network_interface_name: str


def load(paths: Paths) -> JobConfiguration:
    """Read the job's configuration.

    Outside SageMaker only ``hyperparameters.json`` is needed: without ``inputdataconfig.json`` the folders under
    ``input/data`` are channels in File mode, and without ``resourceconfig.json`` the job has one host, algo-1.

    Parameters
    ----------
    paths : Paths
        The paths of the job.

    Returns
    -------
    JobConfiguration
        Complete and validated.

    Raises
    ------
    CustomerError
        If hyperparameters or channels are missing or invalid.
    PlatformError
        If ``resourceconfig.json`` is invalid.
    """
    raw = _raw_hyperparameters(paths.config / "hyperparameters.json")
    hyperparameters = parse(raw)
    channels = _channels(paths)
    faults = [
        f"Channel {name}: expected {PARQUET} or {CSV};{HEADER}=present, in which columns have names as feature_columns"
        f" and id_column need, got {channel.content_type}"
        for name, channel in channels.items()
        if hyperparameters.selection.by_name and name == "train" and not channel.has_names
    ]
    if faults:
        raise CustomerError("; ".join(faults))
    objective = hyperparameters.tuning_objective_metric
    if objective.startswith("test:") and "test" not in channels:
        raise CustomerError(f"The tuning objective metric is '{objective}', which needs a channel named test")
    place, interface = place_of(paths.resources)
    return JobConfiguration(paths, raw, hyperparameters, channels, place, interface)


def _raw_hyperparameters(path: Path) -> dict[str, str]:
    """Read the hyperparameters as text; hand-written files may have JSON numbers, booleans and lists."""
    values = json_object.read(path, CustomerError)
    if values is None:
        raise CustomerError(f"Expected the job's hyperparameters in {path}, found no such file")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _channels(paths: Paths) -> dict[str, ChannelConfiguration]:
    given = json_object.read(paths.config / "inputdataconfig.json", CustomerError)
    if given is None:
        folders = sorted(paths.data.iterdir()) if paths.data.is_dir() else []
        given = {folder.name: {} for folder in folders if folder.is_dir() and not folder.name.startswith(".")}
    faults = [f"Missing required channel: {name}" for name in REQUIRED_CHANNELS if name not in given]
    faults += [
        f"Extraneous channel found: {name[:64]} (expected {' or '.join(CHANNELS)})"
        for name in given
        if name not in CHANNELS
    ]
    if faults:
        raise CustomerError("; ".join(faults))
    return {name: _channel(name, given[name], paths.data / name) for name in CHANNELS if name in given}


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
    if channel.has_names and mode not in FILE_MODES:
        what = PARQUET if stated.name == PARQUET else f"{CSV};{HEADER}=present"
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


def place_of(path: Path) -> tuple[HostPlace, str]:
    """Return the place of this host and the name of the network interface, from ``resourceconfig.json``.

    Raises
    ------
    PlatformError
        If the file is invalid.
    """
    given = json_object.read(path, PlatformError)
    if given is None:
        given = {"current_host": "algo-1", "hosts": ["algo-1"]}
    hosts, current = given.get("hosts"), given.get("current_host")
    if not isinstance(hosts, list) or not hosts:
        raise PlatformError(f"{path}: expected a list of hosts, got {shown(hosts)}")
    for host in hosts:
        if not isinstance(host, str) or not _HOST.fullmatch(host):
            raise PlatformError(f"{path}: expected the name of a host, got {shown(host)}")
    if len(set(hosts)) != len(hosts):
        raise PlatformError(f"{path}: expected each host once, got {shown(hosts)}")
    if current not in hosts:
        raise PlatformError(f"{path}: expected current_host to be one of {shown(hosts)}, got {shown(current)}")
    ordered = tuple(sorted(hosts))
    return HostPlace(ordered.index(current), ordered), str(given.get("network_interface_name") or "eth0")
