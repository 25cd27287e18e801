"""What all hosts of a job must agree on before the first mini-batch."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import container
import kmeans
from container.configuration import hyperparameters
from container.configuration.files import JobConfiguration
from container.errors import CustomerError, JobError, PlatformError
from container.files.atomic import naming
from container.files.regular import open_regular
from container.resources import gpu_count
from container.versions import COMMUNICATING, COMPUTING, versions
from kmeans.kernels.levels import chosen_level, levels

# Set by SageMaker.
JOB_VARIABLE: Final = "TRAINING_JOB_NAME"
_LEVEL: Final = "version of the CPU"


def facts_of(job: JobConfiguration) -> dict[str, str]:
    """Return this host's configuration and its versions of packages, by name.

    Raises
    ------
    ModuleNotFoundError
        If a package is missing.
    """
    channels = {
        name: [channel.content_type, channel.label_size, channel.header, channel.mode, channel.distribution]
        for name, channel in job.channels.items()
    }
    facts = {
        "hosts": json.dumps(job.place.hosts),
        "channels": json.dumps(channels),
        "version of the program's code": _code(),
        _LEVEL: chosen_level(),
    }
    if JOB_VARIABLE in os.environ:
        facts[JOB_VARIABLE] = os.environ[JOB_VARIABLE]
    if job.hyperparameters.num_gpus != 0:
        facts["the number of GPUs"] = str(min(gpu_count(), 1))
    given = {**hyperparameters.defaults(), **job.raw_hyperparameters}
    if "model" in job.channels:
        facts["the earlier model"] = _digest(job.channels["model"].path)
    facts |= {f"hyperparameter {name}": value for name, value in given.items()}
    return facts | {f"version of {name}": found for name, found in versions(*COMPUTING, *COMMUNICATING).items()}


def _code() -> str:
    """Return a checksum of this program: another version may have the same number."""
    digest = hashlib.sha256()
    for package in (kmeans, container):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def common_level(facts: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the lowest of the hosts' CPU levels, or None if they can't be compared.

    Levels differ in the rounding of the same arithmetic. Every host must get the same numbers, since all of them update
    the centers.

    Parameters
    ----------
    facts : Mapping of str to Mapping of str to str
        The facts of each host, by its name.
    """
    found = {own[_LEVEL] for own in facts.values() if _LEVEL in own}
    known = levels()
    if len(found) == 1:
        return found.pop()
    return max(found, key=known.index, default=None) if found <= set(known) else None


def _digest(folder: Path) -> str:
    """Return a checksum of the files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode(errors="surrogateescape"))
        with open_regular(path) as file, naming(path):
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def disagreement(facts: Mapping[str, Mapping[str, str]]) -> JobError | None:
    """Find the first fact on which the hosts disagree.

    Parameters
    ----------
    facts : Mapping of str to Mapping of str to str
        The facts of each host, by its name.

    Returns
    -------
    JobError or None
        An error with the same text on every host; None if they agree.
    """
    (first, expected), *others = sorted(facts.items())
    settled = {_LEVEL} if common_level(facts) else set()
    for host, got in others:
        for name in sorted((expected.keys() | got.keys()) - settled):
            if expected.get(name) != got.get(name):
                kind = PlatformError if name.startswith("version") else CustomerError
                return kind(
                    f"The hosts disagree on {name}: {first} has {_shown(expected.get(name))}, "
                    f"{host} has {_shown(got.get(name))}"
                )
    return None


def _shown(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= 60 else f"{value[:57]}..."
