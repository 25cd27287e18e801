"""The training jobs of local mode, kept in files so that other processes find them by name."""

import json
import os
import re
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "SAGEMAKER_KMEANS_JOBS"
_DEFAULT: Final = "~/.sagemaker-kmeans/jobs"
# Of the superuser: the SDK's local mode mounts nothing from /root. Only the superuser can write here.
_DEFAULT_OF_ROOT: Final = Path("/var/cache/sagemaker-kmeans/jobs")
_DESCRIPTION: Final = "job.json"
# As the service names jobs.
_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def _default() -> Path:
    at_home = Path(_DEFAULT).expanduser().resolve()
    return _DEFAULT_OF_ROOT if at_home.is_relative_to("/root") else at_home


def _given_or_default() -> Path | None:
    try:
        return Path(os.environ.get(VARIABLE) or _default()).expanduser().resolve()
    except RuntimeError:
        # A user without a home directory, who may have no local jobs.
        return None


def address(path: Path) -> str:
    """Return the ``file://`` address of a path, in which the SDK's local mode takes every character as it is."""
    return f"file://{path}"


class LocalJobs:
    """The folder of the jobs: one for each, with its description and by default its results.

    Parameters
    ----------
    root : Path or None
        None for that of the environment variable ``SAGEMAKER_KMEANS_JOBS``, or ``~/.sagemaker-kmeans/jobs``, which is
        ``/var/cache/sagemaker-kmeans/jobs`` if the home directory is ``/root``.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or _given_or_default()

    @property
    def root(self) -> Path:
        """The folder; raise ValueError if none was given and there is no home directory."""
        if self._root is None:
            raise ValueError(f"expected a home directory, or a folder in the environment variable {VARIABLE}")
        return self._root

    def folder(self, name: str) -> Path:
        """Return the folder of a job, whether it exists or not; raise ValueError for what can be no name."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"expected the name of a training job, got {name!r}")
        return self.root / name

    def save(self, name: str, description: dict[str, Any]) -> None:
        """Keep the description of a job, in the form of `DescribeTrainingJob`."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{_DESCRIPTION}.partial"
        partial.write_text(json.dumps(description, indent=2, default=str), encoding="utf-8")
        partial.replace(folder / _DESCRIPTION)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return the description of a job, or None if there is none of that name."""
        try:
            content = (self.folder(name) / _DESCRIPTION).read_text(encoding="utf-8")
        except (FileNotFoundError, ValueError):
            return None
        found: dict[str, Any] = json.loads(content)
        return found
