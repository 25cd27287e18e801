"""Checkpoints: what a host needs to go on where an interrupted job was.

SageMaker keeps the folder in S3 while the job runs, under one prefix for all hosts, and lays it down again before the
job is started anew. A file is a line with the format, a checksum (SHA-256) of all that follows, and an archive of
arrays. It appears whole or not at all.
"""

import hashlib
import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import numpy as np

from container import json_object
from container.artifacts import archive, resumable
from container.artifacts.atomic import replacing
from container.json_object import shown
from container.logs.logger import LOGGER
from container.regular_files import open_regular
from container.resources import memory_limit_bytes
from kmeans.settings import TrainingSettings
from kmeans.stream.snapshot import Snapshot

MAGIC: Final = b"kmeans checkpoint 4\n"
# SageMaker does not upload files of such names.
TEMPORARY_NAME: Final = "{}.sagemaker-ignore"
KEPT: Final = 2

_FACTS: Final = "facts"
_LAYOUT: Final = {
    "centers": ("<f8", 2),
    "weights": ("<f8", 1),
    "spreads": ("<f8", 1),
    "shift": ("<f4", 1),
    "active": ("|b1", 1),
    "with_rows": ("|b1", 1),
    "reservoir_rows": ("<f4", 2),
    "reservoir_labels": ("<i8", 1),
    "reservoir_numbers": ("<i8", 1),
    "reservoir_positions": ("<f8", 1),
    "reservoir_keys": ("<f8", 1),
    "reservoir_far_rows": ("<f4", 2),
    "reservoir_far_labels": ("<i8", 1),
    "reservoir_far_numbers": ("<i8", 1),
    "reservoir_far_positions": ("<f8", 1),
    "reservoir_far_keys": ("<f8", 1),
    _FACTS: ("|u1", 1),
}
# Only where the coordinates of the rows are not plain.
_OPTIONAL: Final = {"origin": ("<f4", 1)}
_HEAD: Final[resumable.Schema] = {"job": {}, "step": resumable.STEP}
_DIGEST_BYTES: Final = hashlib.sha256().digest_size
_PIECE: Final = 1 << 20


class CheckpointError(ValueError):
    """The file is no checkpoint of this job; the text says why."""


class Checkpoints:
    """The checkpoints of one host of a job.

    Parameters
    ----------
    folder : Path
        Where they are; without it nothing is written.
    host : str
        This host's name, which is in their names.
    hosts : sequence of str
        The names of all hosts.
    settings : TrainingSettings
        What the job trains; they and the hosts must be the same in a job that goes on from them.
    interval_seconds : float
        Least time from one to the next.
    """

    def __init__(
        self, folder: Path, host: str, hosts: Sequence[str], settings: TrainingSettings, interval_seconds: float
    ) -> None:
        self.enabled = folder.is_dir()
        self._folder = folder
        self._prefix = f"checkpoint-{host}-"
        self._settings = settings
        self._n_hosts = len(hosts)
        # As it comes back out of a file.
        self._job = json.loads(json.dumps({"hosts": hosts, **asdict(settings)}))
        self._interval = interval_seconds
        self._latest = time.monotonic()
        # The steps of this job that are on disk, in the order in which they were written or found.
        self._steps: list[int] = []
        self.seconds = 0.0
        self.written = 0

    def due(self) -> bool:
        """Tell whether it is time for the next one."""
        return self.enabled and time.monotonic() - self._latest >= self._interval

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint, and drop all but the latest ones.

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
        facts = json.dumps({"job": self._job, "step": snapshot.step, **snapshot.facts}, allow_nan=False).encode()
        with replacing(self._path(snapshot.step), TEMPORARY_NAME) as file:
            file.write(MAGIC + bytes(_DIGEST_BYTES))
            hashing = _HashingWriter(file)
            archive.dump(hashing, {**snapshot.arrays, _FACTS: np.frombuffer(facts, np.uint8)})
            file.seek(len(MAGIC))
            file.write(hashing.digest())
        self._steps = [step for step in self._steps if step != snapshot.step] + [snapshot.step]
        # What another job has left is not touched, whatever its steps are.
        while len(self._steps) > KEPT:
            self._path(self._steps.pop(0)).unlink(missing_ok=True)
        self._latest = time.monotonic()
        self.seconds += self._latest - began
        self.written += 1

    def forget(self, step: int) -> None:
        """Drop the checkpoint of a step, which another host could not write; the one before it stays.

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
        """Return the steps of those that this job can go on from; others are passed over with a warning.

        Returns
        -------
        dict of int to int
            The newest first. The numbers tell whether hosts can go on together: they are checksums, of 64 bits, of what
            all hosts hold alike.
        """
        found = {}
        for path in self._paths():
            try:
                snapshot = self._read(path)
            except (CheckpointError, OSError) as error:
                LOGGER.warning("Checkpoint %s is passed over: %s", path.name, error)
            else:
                found[snapshot.step] = _common(snapshot)
        self._steps = sorted(found)
        return found

    def load(self, step: int) -> Snapshot:
        """Read the checkpoint of a step.

        Raises
        ------
        CheckpointError
            If it is none of this job.
        """
        return self._read(self._path(step))

    def _path(self, step: int) -> Path:
        return self._folder / f"{self._prefix}{step:012d}"

    def _paths(self) -> list[Path]:
        """Give the files of this host, the newest first."""
        if not self.enabled:
            return []
        names = (path.name for path in self._folder.iterdir())
        steps = [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]
        return [self._folder / f"{self._prefix}{step}" for step in sorted(filter(_is_step, steps), reverse=True)]

    def _read(self, path: Path) -> Snapshot:
        limit = memory_limit_bytes() // 2
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise CheckpointError(f"expected at most {limit} bytes, for which there is memory, got {size}")
            _verify(file)
            try:
                snapshot = self._snapshot(file, size)
            except CheckpointError:
                raise
            except (ValueError, RecursionError) as error:
                raise CheckpointError(str(error)) from error
        if path != self._path(snapshot.step):
            raise CheckpointError(f"expected the name of step {snapshot.step}, got that of another one")
        return snapshot

    def _snapshot(self, file: IO[bytes], size: int) -> Snapshot:
        """Read what follows the checksum, and look at all of it."""
        arrays = archive.load(file, size, _LAYOUT, _OPTIONAL)
        facts = json_object.loads(arrays.pop(_FACTS).tobytes())
        resumable.check_facts(facts, _HEAD)
        job = facts.pop("job")
        different = [name for name in sorted(job.keys() | self._job.keys()) if job.get(name) != self._job.get(name)]
        if different:
            name = different[0]
            was, now = shown(job.get(name)), shown(self._job.get(name))
            raise CheckpointError(f"it is of another job: {name} was {was}, is {now}")
        snapshot = Snapshot(facts.pop("step"), arrays, facts)
        resumable.check(snapshot, self._settings, self._n_hosts)
        return snapshot


class _HashingWriter(io.RawIOBase):
    """Writes to a file, and hashes what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def digest(self) -> bytes:
        return self._hash.digest()


def _is_step(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _verify(file: IO[bytes]) -> None:
    """Compare the checksum; the file is left at the beginning of the archive."""
    magic, expected = file.read(len(MAGIC)), file.read(_DIGEST_BYTES)
    if magic != MAGIC:
        raise CheckpointError(f"expected it to begin with {MAGIC!r}, got {magic!r}")
    begin = file.tell()
    found = hashlib.sha256()
    while piece := file.read(_PIECE):
        found.update(piece)
    if found.digest() != expected:
        raise CheckpointError(f"expected a checksum of {expected.hex()}, got {found.hexdigest()}")
    file.seek(begin)


def _common(snapshot: Snapshot) -> int:
    """Return a checksum of what all hosts of a job hold alike after a step."""
    names = ("epoch", "amid_epoch", "reassigned", "rows_seen", "outlier_distance")
    digest = hashlib.sha256(json.dumps([snapshot.facts[name] for name in names]).encode())
    for name in ("centers", "weights", "spreads", "shift", "active", "with_rows", *_OPTIONAL):
        if name in snapshot.arrays:
            digest.update(snapshot.arrays[name].data)
    return int.from_bytes(digest.digest()[:8], signed=True)
