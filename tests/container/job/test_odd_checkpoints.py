"""Checkpoints with a right checksum that no job has written: skipped, or resumed from, but never in the way."""

import copy
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from container.artifacts.checkpoint import Checkpoints
from container.channels.files import inventory
from container.configuration import files as configuration
from container.configuration.algorithm_settings import settings_of
from container.configuration.files import Paths
from container.job import training
from container.job.checkpointing import newest_common
from container.stopping import Stop
from kmeans.communicator import Communicator, SingleHost
from kmeans.thread_hosts import run_hosts
from tests.container.job.checkpoint_files import Arrays, packed, unpacked
from tests.container.job.job import recordio

ROWS = np.random.default_rng(0).standard_normal((130, 2)).astype(np.float32)
CHOSEN = {
    "k": "2",
    "feature_dim": "2",
    "mini_batch_size": "20",
    "epochs": "2",
    "refine_sample_size": "30",
    "half_life_time_size": "50",
    "extra_center_factor": "2",
    "local_lloyd_num_trials": "1",
    "checkpoint_interval_seconds": "0",
    "write_report": "false",
    "write_assignments": "false",
}
# The last two of all steps are kept; between them come rows.
AMID_EPOCH, LAST = 13, 14
NAME = "checkpoint-algo-1-{:012d}"
MODEL = "model/model_algo-1"


def laid_down(base: Path) -> Path:
    for folder in "input/config", "input/data/train", "checkpoints":
        (base / folder).mkdir(parents=True)
    (base / "input/config/hyperparameters.json").write_text(json.dumps(CHOSEN))
    (base / "input/data/train/rows.pbr").write_bytes(recordio(ROWS))
    return base


def run(base: Path) -> None:
    """Run a job in this process; whatever is wrong is raised."""
    training.run(configuration.load(Paths(base)), SingleHost(), Stop(), time.time())


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = laid_down(tmp_path_factory.mktemp("ended"))
    run(base)
    return base


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logging.getLogger("kmeans").propagate = True
    with caplog.at_level("INFO", "kmeans"):
        yield caplog
    logging.getLogger("kmeans").propagate = False


def paths_in(facts: dict[Any, Any]) -> list[tuple[Any, ...]]:
    """Return the way to every fact, and to what holds them."""
    found: list[tuple[Any, ...]] = []
    for name, value in facts.items():
        if name != "job":
            inner = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
            found += [(name,), *((name, *rest) for rest in paths_in(inner))]
    return found


@pytest.fixture(scope="module")
def good(ended: Path) -> tuple[Arrays, dict[str, Any]]:
    return unpacked(ended / "checkpoints" / NAME.format(AMID_EPOCH))


def ends_well(base: Path, ended: Path, logged: pytest.LogCaptureFixture) -> None:
    """Run the job; if the checkpoint was skipped the model is that of a job without one."""
    shutil.rmtree(base / "model", ignore_errors=True)
    logged.clear()
    run(base)
    (centers,) = mxnet_ndarray.loads((base / MODEL).read_bytes())
    assert np.isfinite(centers).all()
    if "resuming from" not in logged.text:
        assert "Skipping checkpoint " in logged.text
        assert (base / MODEL).read_bytes() == (ended / MODEL).read_bytes()


def checkpoints_in(base: Path, host: str = "algo-1", hosts: tuple[str, ...] = ("algo-1",)) -> Checkpoints:
    chosen = settings_of(configuration.load(Paths(base)).hyperparameters)
    rows = {"data": inventory(base / "input/data/train")}
    return Checkpoints(base / "checkpoints", host, hosts, chosen, 0, rows=rows)


ODD: list[Any] = [None, "x", True, -1, 0, 1.5, 1 << 53, 1 << 70, 10**400, 1e308, np.nan, -np.inf, [], {}, [1, 2, 3]]
FACTS = (
    ("step",),
    ("epoch",),
    ("within_epoch",),
    ("reassigned",),
    ("rows_added",),
    ("rows_seen",),
    ("outlier_distance",),
    ("epoch_losses",),
    ("epoch_losses", "rows"),
    ("epoch_losses", "inertia"),
    ("epoch_losses", "latest"),
    ("epoch_losses", "before"),
    ("reservoir",),
    ("reservoir", "rows_seen"),
    ("reservoir", "first_number"),
    ("reservoir", "latest_position"),
    ("reservoir", "threshold"),
    ("reservoir", "farthest"),
    ("reservoir", "farthest", "threshold"),
    ("reservoir", "key"),
    ("observer",),
    ("observer", "events"),
    ("observer", "counters"),
    ("observer", "counters", "rows"),
    ("observer", "counters", "_steps"),
    ("observer", "counters", "_own_rows"),
    ("observer", "counters", "_epoch_rows"),
    ("observer", "counters", "_epoch_steps"),
    ("observer", "counters", "_initial_rows"),
    ("observer", "counters", "_largest_pass"),
    ("observer", "counters", "_largest_pass", 0),
    ("observer", "counters", "_largest_pass", 1),
    ("observer", "losses"),
    ("observer", "losses", "short"),
    ("observer", "losses", "short", 0),
    ("observer", "losses", "short", 1),
    ("observer", "losses", "long"),
    ("observer", "losses", "long", 0),
    ("observer", "losses", "long", 1),
)


def test_all_facts_are_tried(good: tuple[Arrays, dict[str, Any]]) -> None:
    events = ("observer", "events")
    assert {way for way in paths_in(good[1]) if way[:2] != events or way == events} == set(FACTS)


def test_a_job_without_outliers_has_checkpoints_too(tmp_path: Path, good: tuple[Arrays, dict[str, Any]]) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    content = packed(arrays, {**facts, "outlier_distance": sys.float_info.max})
    (base / "checkpoints" / NAME.format(AMID_EPOCH)).write_bytes(content)
    assert list(checkpoints_in(base).steps()) == [AMID_EPOCH]


def test_an_origin_must_fit_to_the_rows(tmp_path: Path, good: tuple[Arrays, dict[str, Any]]) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    path = base / "checkpoints" / NAME.format(AMID_EPOCH)
    for origin, fits in (
        (np.ones(2, np.float32), True),
        (np.ones(3, np.float32), False),
        (np.ones((1, 2), np.float32), False),
        (np.full(2, np.inf, np.float32), False),
        (np.ones(2), False),
    ):
        path.write_bytes(packed({**arrays, "origin": origin}, facts))
        assert list(checkpoints_in(base).steps()) == [AMID_EPOCH] * fits
    path.write_bytes(packed({**arrays, "origin": np.ones(2, np.float32)}, facts))
    np.testing.assert_array_equal(checkpoints_in(base).load(AMID_EPOCH).coordinates.origin, [1, 1])


def is_odd(base: Path, ended: Path, logged: pytest.LogCaptureFixture, content: bytes) -> None:
    """Put a checkpoint in the job's way; one that is skipped needs no job to show it, for there is no other."""
    for path in (base / "checkpoints").iterdir():
        path.unlink()
    (base / "checkpoints" / NAME.format(AMID_EPOCH)).write_bytes(content)
    if checkpoints_in(base).steps():
        ends_well(base, ended, logged)


def test_a_count_of_gaps_is_a_count_or_missing(tmp_path: Path, good: tuple[Arrays, dict[str, Any]]) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    for value in ODD:
        observer = {**facts["observer"], "gap_rows": value}
        content = packed(arrays, {**facts, "observer": observer})
        (base / "checkpoints" / NAME.format(AMID_EPOCH)).write_bytes(content)
        assert bool(checkpoints_in(base).steps()) == (type(value) is int and 0 <= value <= 1 << 53)


@pytest.mark.parametrize("way", FACTS, ids=lambda way: ".".join(map(str, way)))
def test_a_fact_that_is_odd_or_missing(
    tmp_path: Path,
    ended: Path,
    good: tuple[Arrays, dict[str, Any]],
    logged: pytest.LogCaptureFixture,
    way: tuple[Any, ...],
) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    outer, last = way[:-1], way[-1]
    for value in ODD:
        edited = copy.deepcopy(facts)
        place = edited
        for name in outer:
            place = place[name]
        place[last] = value
        is_odd(base, ended, logged, packed(arrays, edited))
    del place[last]
    is_odd(base, ended, logged, packed(arrays, edited))
    # Earlier releases did not keep the losses of epochs.
    assert bool(checkpoints_in(base).steps()) == (way == ("epoch_losses",))


def of_same_kind(value: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(all="ignore"):
            return np.full(array.shape, value).astype(array.dtype)

    return change


ARRAY_CHANGES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    **{str(value): of_same_kind(value) for value in (0, 1, -1, 3e38, 1e308, -1.7e308, 2**62, np.nan, np.inf)},
    "none": lambda array: array[:0],
    "fewer": lambda array: array[1:],
    "more": lambda array: np.concatenate([array, array]),
    "wider": lambda array: np.concatenate([array, array], axis=-1),
    "another type": lambda array: array.astype(np.complex128),
    "odd bytes": lambda array: np.full(array.nbytes, 7, np.uint8).view(array.dtype).reshape(array.shape),
}
ARRAYS = (
    "centers",
    "weights",
    "spreads",
    "shift",
    "active",
    "with_rows",
    "reservoir_rows",
    "reservoir_labels",
    "reservoir_numbers",
    "reservoir_positions",
    "reservoir_keys",
    "reservoir_far_rows",
    "reservoir_far_labels",
    "reservoir_far_numbers",
    "reservoir_far_positions",
    "reservoir_far_keys",
)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_odd(
    tmp_path: Path, ended: Path, good: tuple[Arrays, dict[str, Any]], logged: pytest.LogCaptureFixture, name: str
) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    assert set(arrays) == set(ARRAYS)
    # At the end of the last epoch no row comes that would hide it.
    done = {**facts, "epoch": 2, "within_epoch": False}
    changed = [change(arrays[name]) for change in ARRAY_CHANGES.values()]
    for content in {packed({**arrays, name: array}, given) for array in changed for given in (facts, done)}:
        is_odd(base, ended, logged, content)


def test_a_reservoir_without_rows(
    tmp_path: Path, ended: Path, good: tuple[Arrays, dict[str, Any]], logged: pytest.LogCaptureFixture
) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    empty = {name: array[:0] if name.startswith("reservoir_") else array for name, array in arrays.items()}
    for rows_seen in facts["reservoir"]["rows_seen"], 0:
        edited = {**facts, "reservoir": {**facts["reservoir"], "rows_seen": rows_seen}}
        is_odd(base, ended, logged, packed(empty, edited))
        assert not checkpoints_in(base).steps()


def test_all_that_may_lie_in_the_folder_at_once(
    tmp_path: Path, ended: Path, good: tuple[Arrays, dict[str, Any]], logged: pytest.LogCaptureFixture
) -> None:
    base = laid_down(tmp_path / "job")
    folder = base / "checkpoints"
    arrays, facts = good
    contents: dict[int, Any] = {
        # Under the name of another step.
        15: packed(arrays, facts),
        16: packed(arrays, {name: value for name, value in facts.items() if name != "job"}),
        17: packed(arrays, {**facts, "job": "x"}),
        18: packed(arrays, {**facts, "job": [["hosts", ["algo-1"]]], "step": 18}),
        19: packed(arrays, []),
        20: packed(arrays, "x"),
        21: packed(arrays, None),
        22: packed(arrays, {**facts, "job": {**facts["job"], "k": "x" * 100_000}, "step": 22}),
        23: packed(arrays, facts)[:-1],
        24: b"",
    }
    for step, content in contents.items():
        (folder / NAME.format(step)).write_bytes(content)
    (folder / "checkpoint-algo-1-13").write_bytes(packed(arrays, facts))
    (folder / f"checkpoint-algo-1-{'9' * 200}").write_bytes(packed(arrays, facts))
    (folder / NAME.format(25)).mkdir()
    # In the way of one that the job will write.
    (folder / NAME.format(3)).mkdir()
    os.mkfifo(folder / NAME.format(26))
    (folder / NAME.format(27)).symlink_to("nowhere")
    odd = {path.name for path in folder.iterdir()}
    ends_well(base, ended, logged)
    for name in odd:
        assert f"Skipping checkpoint {name}: " in logged.text
        assert os.path.lexists(folder / name)
    assert max(len(line) for line in logged.text.splitlines() if "checkpoint " in line) < 1000


def test_a_job_resumes_from_the_good_checkpoint_before_an_odd_one(
    tmp_path: Path, ended: Path, good: tuple[Arrays, dict[str, Any]], logged: pytest.LogCaptureFixture
) -> None:
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    (base / "checkpoints" / NAME.format(AMID_EPOCH)).write_bytes(packed(arrays, facts))
    (base / "checkpoints" / NAME.format(LAST)).write_bytes(packed(arrays, {**facts, "step": LAST, "epoch": -1}))
    ends_well(base, ended, logged)
    assert f"Skipping checkpoint {NAME.format(LAST)}: epoch: expected a whole number from 0 to" in logged.text
    assert f"resuming from the checkpoint of step {AMID_EPOCH}" in logged.text
    assert (base / MODEL).read_bytes() == (ended / MODEL).read_bytes()


def test_hosts_resume_together_or_not_at_all(
    tmp_path: Path, good: tuple[Arrays, dict[str, Any]], logged: pytest.LogCaptureFixture
) -> None:
    """One that a host skips, or that differs where hosts must not, is not common to all."""
    base = laid_down(tmp_path / "job")
    arrays, facts = good
    hosts = ("algo-1", "algo-2")
    arrays = {**arrays, "active": np.ones(2, bool), "with_rows": np.ones(2, bool)}
    facts = {**facts, "job": {**facts["job"], "hosts": list(hosts)}}

    def write(host: str, step: int, arrays: Arrays = arrays, **changes: Any) -> None:
        path = base / "checkpoints" / f"checkpoint-{host}-{step:012d}"
        path.write_bytes(packed(arrays, {**facts, "step": step, **changes}))

    for host in hosts:
        for step in 1, 2, 3, 4:
            write(host, step)
    write("algo-1", 2, rows_added=7)
    write("algo-2", 3, epoch=0)
    write("algo-2", 4, rows_seen=-1)

    def step_of(communicator: Communicator) -> int | None:
        checkpoint = newest_common(checkpoints_in(base, hosts[communicator.rank], hosts), communicator)
        return None if checkpoint is None else checkpoint.snapshot.step

    # Facts of one host alone may differ.
    assert run_hosts(2, step_of) == [2, 2]
    for step in 1, 2:
        write("algo-2", step, {**arrays, "centers": arrays["centers"] + 1})
    assert run_hosts(2, step_of) == [None, None]
    assert "The hosts have no checkpoint in common" in logged.text
