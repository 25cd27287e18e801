"""Trees as SageMaker lays them down for `train`, made of a good one by some oddities that a seed chooses."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from stat import S_ISREG
from subprocess import DEVNULL, Popen
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.container.fuzz.fork_server import Ended, ForkServer
from tests.container.job.job import csv, recordio

Rows = NDArray[np.float32]

# A good tree takes a fraction of a second; some settings ask for hours of work.
STOP_SECONDS = 5.0
SETTINGS = {
    "k": "3",
    "feature_dim": "2",
    "mini_batch_size": "20",
    "epochs": "2",
    "checkpoint_interval_seconds": "0",
    "local_lloyd_num_trials": "2",
    # It takes as long as all the rest of such a job.
    "write_report": "false",
}
# Bytes; those with a hole have more.
LARGE = 64 << 20
CONTENT_TYPES = {"csv": "text/csv;label_size=0", "pbr": "application/x-recordio-protobuf"}
CONFIGURATION = ("hyperparameters", "inputdataconfig", "resourceconfig")


def good_rows() -> Rows:
    """Return rows in three clusters."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 2)) + 10 * rng.integers(3, size=(60, 1))).astype(np.float32)


def content(rows: Rows, form: str) -> bytes:
    """Write rows as a file of the format with that suffix."""
    return csv(rows) if form == "csv" else recordio(rows)


@dataclass
class Tree:
    """A tree that is being made.

    Attributes
    ----------
    base : Path
        Its root.
    earlier : Path
        The root of that of a good job which has ended, with its checkpoints.
    form : str
        The suffix of the training files: ``csv`` or ``pbr``.
    rows : Rows or None
        Of the train channel, if it is known what a model of it must be; None otherwise.
    configuration : dict of str to Any
        What the files of `CONFIGURATION` hold: a value of JSON, bytes, or None where there is no file.
    stop_after : float
        Seconds after which the job gets SIGTERM.
    feeds : list of tuple of Path
        Files whose bytes are to be written into a FIFO.
    oddities : list of str
        What was done to it, in words.
    """

    base: Path
    earlier: Path
    form: str = "pbr"
    rows: Rows | None = field(default_factory=good_rows)
    configuration: dict[str, Any] = field(default_factory=dict)
    stop_after: float = STOP_SECONDS
    feeds: list[tuple[Path, Path]] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)

    @property
    def train(self) -> Path:
        """Folder of the training rows."""
        return self.base / "input/data/train"

    @property
    def has_folder(self) -> bool:
        """Whether the folder of the training rows is one of the tree's own, and not a link to one of the system's."""
        return self.train.is_dir() and not self.train.is_symlink()

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """To be changed in place; an empty one if there is none any more."""
        found = self.configuration["hyperparameters"]
        return found if isinstance(found, dict) else {}

    @property
    def channels(self) -> dict[str, Any]:
        """To be changed in place; an empty one if there is none any more."""
        found = self.configuration["inputdataconfig"]
        return found if isinstance(found, dict) else {}

    def setting(self, channel: str, name: str, value: object) -> None:
        """Set something of a channel, unless that was made something else."""
        entry = self.channels.setdefault(channel, {})
        if isinstance(entry, dict):
            entry[name] = value

    def data_files(self) -> list[Path]:
        """Return the ordinary files of the train channel."""
        if not self.has_folder:
            return []
        status = {path: path.lstat() for path in self.train.iterdir()}
        return sorted(path for path, found in status.items() if S_ISREG(found.st_mode) and found.st_size < LARGE)


# What is done to a tree.
Oddity = Callable[[Tree, Random], None]


def laid_down(base: Path, earlier: Path, form: str) -> Tree:
    """Make a good tree, but for the files of its configuration."""
    tree = Tree(base, earlier, form)
    assert tree.rows is not None
    tree.train.mkdir(parents=True)
    for part, rows in enumerate(np.array_split(tree.rows, 2)):
        (tree.train / f"part-{part}.{form}").write_bytes(content(rows, form))
    tree.configuration = {
        "hyperparameters": dict(SETTINGS),
        "inputdataconfig": {"train": {"ContentType": CONTENT_TYPES[form], "TrainingInputMode": "File"}},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
    }
    return tree


def configured(tree: Tree) -> None:
    """Write the files of a tree's configuration, but for those that are there already."""
    folder = tree.base / "input/config"
    folder.mkdir(parents=True, exist_ok=True)
    for name in CONFIGURATION:
        value, path = tree.configuration[name], folder / f"{name}.json"
        if value is not None and not os.path.lexists(path):
            path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())


def grown(base: Path, earlier: Path, seed: int, oddities: Sequence[Oddity], without: frozenset[int]) -> Tree:
    """Make the tree of a seed.

    Parameters
    ----------
    base : Path
        Its root, which is made.
    earlier : Path
        See `Tree`.
    seed : int
        The first oddity is the one in this place of `oddities`, starting again after the last; chance takes others.
    oddities : sequence of Oddity
        All there are.
    without : frozenset of int
        Oddities to be left out, by their place among those of this tree.
    """
    rng = Random(seed)
    tree = laid_down(base, earlier, rng.choice(tuple(CONTENT_TYPES)))
    chosen = [oddities[seed % len(oddities)], *rng.sample(oddities, rng.choice((0, 0, 0, 1, 1, 2)))]
    for place, oddity in enumerate(chosen):
        # Each has chance of its own, so that leaving one out does not change the others.
        own = Random(f"{seed} {place}")
        if place not in without:
            tree.oddities.append(oddity.__name__)
            oddity(tree, own)
    configured(tree)
    return tree


def earlier_job(base: Path, server: ForkServer) -> Path:
    """Run the good job whose checkpoints and models odd ones take; return its root."""
    tree = laid_down(base, base, "pbr")
    (base / "checkpoints").mkdir()
    configured(tree)
    tree.stop_after = 240.0
    ended = run(tree, server)
    assert ended.exit_code == 0, ended.log
    return base


def run(tree: Tree, server: ForkServer) -> Ended:
    """Train on a tree."""
    with feeding(tree):
        environment = {"SAGEMAKER_BASE_DIR": str(tree.base)}
        return server.run("train", [], environment, tree.base / "log", tree.stop_after)


@contextmanager
def feeding(tree: Tree) -> Iterator[None]:
    """Let the FIFOs of a tree be fed."""
    feeders = [Popen(["cp", file, fifo], stderr=DEVNULL) for file, fifo in tree.feeds]
    try:
        yield
    finally:
        for feeder in feeders:
            feeder.kill()
            feeder.wait()


def removed(base: Path) -> None:
    """Remove a tree, whatever its permissions are."""
    for folder, names, _ in os.walk(base):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(base)
