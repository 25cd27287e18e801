"""Checkpoints: what a host needs to go on where an interrupted job was.

SageMaker keeps the folder in S3 while the job runs, under one prefix for all hosts, and lays it down again before the
job is started anew. A file is a line with the format, a checksum (SHA-256) of all that follows, and an archive of
arrays. It appears whole or not at all.
"""

import hashlib
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from container.artifacts import archive
from container.artifacts.atomic import replacing
from container.logs import LOGGER
from container.resources import memory_limit_bytes
from kmeans.snapshot import Snapshot

MAGIC: Final = b"kmeans checkpoint 2\n"
# SageMaker does not upload files of such names.
TEMPORARY_NAME: Final = "{}.sagemaker-ignore"
KEPT: Final = 2

_FACTS: Final = "facts"
_LAYOUT: Final = {
    "centers": ("<f8", 2),
    "weights": ("<f8", 1),
    "shift": ("<f4", 1),
    "active": ("|b1", 1),
    "with_rows": ("|b1", 1),
    "reservoir_rows": ("<f4", 2),
    "reservoir_labels": ("<i8", 1),
    "reservoir_numbers": ("<i8", 1),
    "reservoir_positions": ("<f8", 1),
    "reservoir_keys": ("<f8", 1),
    _FACTS: ("|u1", 1),
}
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
    job : Mapping of str to JSON values
        What must be the same in a job that goes on from them.
    interval_seconds : float
        Least time from one to the next.
    """

    def __init__(self, folder: Path, host: str, job: Mapping[str, Any], interval_seconds: float) -> None:
        self.enabled = folder.is_dir()
        self._folder = folder
        self._prefix = f"checkpoint-{host}-"
        self._job = json.loads(json.dumps(job))
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
        """
        if not self.enabled:
            return
        began = time.monotonic()
        # One that can't be written is not tried again at once.
        self._latest = began
        facts = json.dumps({"job": self._job, "step": snapshot.step, **snapshot.facts}).encode()
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

    def steps(self) -> list[int]:
        """Give the steps of those that can be gone on from, the newest first; others are passed over with a warning."""
        found = []
        for path in self._paths():
            try:
                found.append(self._read(path).step)
            except (CheckpointError, OSError) as error:
                LOGGER.warning("Checkpoint %s is passed over: %s", path.name, error)
        self._steps = found[::-1]
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
        size = path.stat().st_size
        limit = memory_limit_bytes() // 2
        if size > limit:
            raise CheckpointError(f"expected at most {limit} bytes, for which there is memory, got {size}")
        with path.open("rb") as file:
            _verify(file)
            try:
                arrays = archive.load(file, size, _LAYOUT)
                facts = json.loads(arrays.pop(_FACTS).tobytes())
            except (archive.ArchiveError, ValueError, RecursionError) as error:
                raise CheckpointError(str(error)) from error
        job = facts.pop("job")
        different = [name for name in sorted(job.keys() | self._job.keys()) if job.get(name) != self._job.get(name)]
        if different:
            name = different[0]
            raise CheckpointError(f"it is of another job: {name} was {job.get(name)}, is {self._job.get(name)}")
        _check(arrays)
        return Snapshot(facts.pop("step"), arrays, facts)


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


def _verify(file: BinaryIO) -> None:
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


def _check(arrays: Mapping[str, NDArray[Any]]) -> None:
    """See that the arrays fit together."""
    n_centers, n_features = arrays["centers"].shape
    n_rows = len(arrays["reservoir_rows"])
    expected = {"weights": (n_centers,), "shift": (n_features,), "reservoir_rows": (n_rows, n_features)}
    expected |= {f"reservoir_{name}": (n_rows,) for name in ("labels", "numbers", "positions", "keys")}
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise CheckpointError(f"expected {name} of shape {shape}, got {arrays[name].shape}")
    labels = arrays["reservoir_labels"]
    if ((labels < 0) | (labels >= n_centers)).any():
        raise CheckpointError(f"expected labels from 0 to {n_centers - 1}, got others")
