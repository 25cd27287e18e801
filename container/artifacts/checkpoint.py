"""Checkpoints: what a host needs to resume an interrupted job.

SageMaker keeps the folder in S3 while the job runs, under one prefix for all hosts, and restores it before the job is
started again. A file is a line with the format, a checksum (SHA-256) of everything that follows, and an archive of
arrays. It appears whole or not at all.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from container.artifacts import archive, checksummed, resumable
from container.artifacts.snapshot_layout import arrays_of, facts_of, layout, snapshot_of
from container.files import json_object
from container.files.atomic import replacing
from container.files.regular import open_regular
from container.formats.errors import shown
from container.logs.logger import LOGGER
from container.precision.coordinates import ARRAYS as COORDINATES
from container.precision.coordinates import PLAIN, Coordinates
from container.resources import memory_limit_bytes
from kmeans.settings import TrainingSettings
from kmeans.stream.epoch_losses import EpochLosses
from kmeans.stream.snapshot import RunSnapshot, StreamSnapshot

MAGIC: Final = b"kmeans checkpoint 5\n"
# SageMaker does not upload files of such names.
TEMPORARY_NAME: Final = "{}.sagemaker-ignore"
KEPT: Final = 2

_FACTS: Final = "facts"
_LAYOUT: Final = {**layout(RunSnapshot), _FACTS: ("|u1", 1)}
_OPTIONAL: Final = {**layout(RunSnapshot, optional=True), **COORDINATES}
# What all hosts of a job hold alike.
_COMMON_FACTS: Final = ("epoch", "within_epoch", "reassigned", "rows_seen", "outlier_distance", "epoch_losses")
_COMMON_ARRAYS: Final = (*layout(StreamSnapshot), *COORDINATES)
_HEAD: Final[resumable.Schema] = {"job": {}, "step": resumable.STEP}


class CheckpointError(ValueError):
    """The file is no checkpoint of this job; the text says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    snapshot : RunSnapshot
        Where to resume.
    coordinates : Coordinates
        Those of its centers and rows.
    """

    snapshot: RunSnapshot
    coordinates: Coordinates = PLAIN


class Checkpoints:
    """The checkpoints of one host of a job.

    Parameters
    ----------
    folder : Path
        Where they are; without it nothing is written.
    host : str
        This host's name, which is part of their names.
    hosts : sequence of str
        The names of all hosts.
    settings : TrainingSettings
        What the job trains; a job that resumes must have the same, and the same hosts.
    interval_seconds : float
        Least time from one to the next.
    rows : Mapping of str to object, optional
        What decides which rows this host reads, and which numbers they have, of JSON types; a job that resumes must
        have the same.

    Attributes
    ----------
    enabled : bool
        Whether there is a folder.
    written : int
        Checkpoints that were written.
    seconds : float
        Spent in writing them.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        hosts: Sequence[str],
        settings: TrainingSettings,
        interval_seconds: float,
        *,
        rows: Mapping[str, object] | None = None,
    ) -> None:
        self.enabled = folder.is_dir()
        self._folder = folder
        self._prefix = f"checkpoint-{host}-"
        self._settings = settings
        self._n_hosts = len(hosts)
        # As it is read from a file, where tuples have become lists.
        self._job = json.loads(json.dumps({"hosts": hosts, **asdict(settings), **(rows or {})}))
        # Only where they are set, so that all other jobs resume from checkpoints of earlier releases.
        for name in ("spherical", "weighted", "early_stopping_tolerance"):
            if not self._job[name]:
                del self._job[name]
        self._interval = interval_seconds
        self._latest = time.monotonic()
        # The steps of this job's checkpoints on disk, oldest first.
        self._steps: list[int] = []
        self.seconds = 0.0
        self.written = 0

    def due(self) -> bool:
        """Return whether it is time for the next one."""
        return self.enabled and time.monotonic() - self._latest >= self._interval

    def save(self, snapshot: RunSnapshot, coordinates: Coordinates = PLAIN) -> None:
        """Write a checkpoint, and remove all but the latest ones.

        Parameters
        ----------
        snapshot : RunSnapshot
            Where to resume.
        coordinates : Coordinates
            Those of its centers and rows.

        Raises
        ------
        OSError
            If it can't be written.
        ValueError
            If a number is not finite.
        """
        if not self.enabled:
            return
        began = time.monotonic()
        # One that can't be written is not tried again at once.
        self._latest = began
        facts = json.dumps({"job": self._job, **facts_of(snapshot)}, allow_nan=False).encode()
        arrays = {**arrays_of(snapshot), **coordinates.arrays()}
        with (
            replacing(self._path(snapshot.step), TEMPORARY_NAME) as file,
            checksummed.writing(file, MAGIC) as content,
        ):
            archive.dump(content, {**arrays, _FACTS: np.frombuffer(facts, np.uint8)})
        self._steps = [step for step in self._steps if step != snapshot.step] + [snapshot.step]
        # Files of another job are left alone, whatever their steps are.
        while len(self._steps) > KEPT:
            self._path(self._steps.pop(0)).unlink(missing_ok=True)
        self._latest = time.monotonic()
        self.seconds += self._latest - began
        self.written += 1

    def forget(self, step: int) -> None:
        """Remove the checkpoint of a step, which another host could not write; the one before it stays.

        Raises
        ------
        OSError
            If it can't be removed.
        """
        if step in self._steps:
            self._steps.remove(step)
            self.written -= 1
            self._path(step).unlink(missing_ok=True)

    def steps(self) -> dict[int, int]:
        """Return the steps that this job can resume from; other checkpoints are skipped with a warning.

        Older ones than the latest that a job keeps are not read.

        Returns
        -------
        dict of int to int
            The newest first, each with a checksum, of 64 bits, of what all hosts hold alike: hosts can resume together
            where it is the same.
        """
        found: dict[int, int] = {}
        steps = []
        for path in self._paths():
            try:
                # One more than are kept: a job may be killed before it removes the oldest.
                if len(found) <= KEPT:
                    checkpoint = self._read(path)
                    found[checkpoint.snapshot.step] = _common(checkpoint)
                else:
                    with open_regular(path) as file:
                        self._require_this_job(file)
            except (CheckpointError, OSError) as error:
                LOGGER.warning("Skipping checkpoint %s: %s", path.name, error)
            else:
                steps.append(int(path.name.removeprefix(self._prefix)))
        self._steps = sorted(steps)
        return found

    def load(self, step: int) -> Checkpoint:
        """Read the checkpoint of a step.

        Raises
        ------
        CheckpointError
            If it is not one of this job.
        """
        return self._read(self._path(step))

    def _path(self, step: int) -> Path:
        return self._folder / f"{self._prefix}{step:012d}"

    def _paths(self) -> list[Path]:
        """Return the files of this host, the newest first."""
        if not self.enabled:
            return []
        names = (path.name for path in self._folder.iterdir())
        steps = [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]
        return [self._folder / f"{self._prefix}{step}" for step in sorted(filter(_is_step, steps), reverse=True)]

    def _read(self, path: Path) -> Checkpoint:
        limit = memory_limit_bytes() // 2
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise CheckpointError(f"expected at most {limit} bytes, for which there is memory, got {size}")
            self._require_this_job(file)
            try:
                checksummed.verify(file, MAGIC)
                checkpoint = self._checkpoint(file, size)
            except CheckpointError:
                raise
            except ValueError as error:
                raise CheckpointError(str(error)) from error
        step = checkpoint.snapshot.step
        if path != self._path(step):
            raise CheckpointError(f"expected the name of step {step}, got that of another one")
        return checkpoint

    def _require_this_job(self, file: IO[bytes]) -> None:
        """Check what a file says of its job, without reading all of it; say nothing of one that is damaged."""
        size = os.fstat(file.fileno()).st_size
        try:
            file.seek(checksummed.header_bytes(MAGIC))
            facts = json_object.parse(archive.load(file, size, {_FACTS: _LAYOUT[_FACTS]})[_FACTS].tobytes())
            resumable.check_facts(facts, _HEAD)
        except ValueError:
            return
        finally:
            file.seek(0)
        self._compare_job(facts["job"])

    def _compare_job(self, job: dict[str, Any]) -> None:
        different = [name for name in sorted(job.keys() | self._job.keys()) if job.get(name) != self._job.get(name)]
        if different:
            name = different[0]
            was, now = shown(job.get(name)), shown(self._job.get(name))
            raise CheckpointError(f"it is of another job: {name} was {was}, is {now}")

    def _checkpoint(self, file: IO[bytes], size: int) -> Checkpoint:
        """Read what follows the checksum, and check all of it."""
        arrays = archive.load(file, size, _LAYOUT, _OPTIONAL)
        facts = json_object.parse(arrays.pop(_FACTS).tobytes())
        resumable.check_facts(facts, _HEAD)
        self._compare_job(facts.pop("job"))
        # Earlier releases took all epochs, whatever their losses.
        facts.setdefault("epoch_losses", asdict(EpochLosses()))
        resumable.check(arrays, facts, self._settings, self._n_hosts)
        coordinates = Coordinates.of_arrays(arrays, self._settings.n_features)
        if coordinates.unit != self._settings.spherical:
            raise CheckpointError(f"expected the coordinates of its job, got those for distance={coordinates.distance}")
        return Checkpoint(snapshot_of(RunSnapshot, arrays, facts), coordinates)


def _is_step(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _common(checkpoint: Checkpoint) -> int:
    """Return a checksum of what all hosts of a job hold alike after a step."""
    facts = facts_of(checkpoint.snapshot)
    arrays = {**arrays_of(checkpoint.snapshot), **checkpoint.coordinates.arrays()}
    digest = hashlib.sha256(json.dumps([facts[name] for name in _COMMON_FACTS]).encode())
    for name in _COMMON_ARRAYS:
        if name in arrays:
            digest.update(arrays[name].data)
    return int.from_bytes(digest.digest()[:8], signed=True)
