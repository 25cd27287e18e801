"""Read the three JSON files that SageMaker provides for a training job into typed values."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container.configuration.channels import CSV, HEADER, PARQUET, RECORDIO, ChannelConfiguration, channels_of
from container.configuration.hyperparameter_table import defaults
from container.configuration.hyperparameters import Hyperparameters, parse
from container.errors import CustomerError, PlatformError
from container.files import json_object
from container.formats.errors import shown
from container.formats.recordio.wire import ROW_NAME
from container.hosts.place import HostPlace

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of SageMaker's contract for containers.

    Attributes
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


@dataclass(frozen=True, slots=True)
class JobConfiguration:
    """The configuration of a training job.

    Attributes
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

    @property
    def all_hyperparameters(self) -> dict[str, str]:
        """The hyperparameters as sent, and the defaults of all others."""
        return {**defaults(), **self.raw_hyperparameters}


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
    faults += [
        f"Channel {name}: {fault}"
        for name, channel in channels.items()
        if name != "model" and (fault := weight_fault(hyperparameters.weight_column, channel))
    ]
    if not hyperparameters.epochs and "model" not in channels:
        faults.append(
            "Hyperparameter epochs: expected 1 or more without a channel named model, got 0, which keeps the centers of"
            " that channel"
        )
    if faults:
        raise CustomerError("; ".join(faults))
    objective = hyperparameters.tuning_objective_metric
    if objective.startswith("test:") and "test" not in channels:
        raise CustomerError(f"The tuning objective metric is '{objective}', which needs a channel named test")
    place, interface = place_of(paths.resources)
    return JobConfiguration(paths, raw, hyperparameters, channels, place, interface)


def weight_fault(weight: str, channel: ChannelConfiguration) -> str:
    """Return why a channel can have no weights of a name; empty if it can, or if the name is empty."""
    if not weight or channel.has_names:
        return ""
    if channel.content_type != RECORDIO:
        return (
            f"expected {RECORDIO}, {PARQUET} or {CSV};{HEADER}=present, in which weights have a name as weight_column"
            f" needs, got {channel.content_type}"
        )
    if weight == ROW_NAME.decode():
        return f"expected weight_column to name another feature of a Record than its row, got {weight}"
    return ""


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
    return channels_of(given, paths.data)


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
