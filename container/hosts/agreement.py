"""What all hosts of a job must agree on before the first mini-batch."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from container.configuration import hyperparameters
from container.configuration.files import JobConfiguration
from container.errors import CustomerError, JobError, PlatformError
from container.files.atomic import naming
from container.files.regular import open_regular
from container.resources import gpu_count
from container.versions import COMMUNICATING, COMPUTING, versions


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
    }
    if job.hyperparameters.num_gpus != 0:
        facts["the number of GPUs"] = str(min(gpu_count(), 1))
    given = {**hyperparameters.defaults(), **job.raw_hyperparameters}
    if "model" in job.channels:
        facts["the earlier model"] = _digest(job.channels["model"].path)
    facts |= {f"hyperparameter {name}": value for name, value in given.items()}
    return facts | {f"version of {name}": found for name, found in versions(*COMPUTING, *COMMUNICATING).items()}


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
    for host, got in others:
        for name in sorted(expected.keys() | got.keys()):
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
