"""Mini-batches taken in groups: the same as one by one, for any number of threads and whatever lies in the file."""

import os
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmeans.communicator import SingleHost
from kmeans.events import Events
from kmeans.kernels.jit import INTERPRETED
from kmeans.model import Model
from kmeans.observer import MiniBatch, Silent
from kmeans.packed_rows import PackedRows
from kmeans.settings import TrainingSettings
from kmeans.source import Stretch
from kmeans.stream.control import Control
from kmeans.stream.groups import Groups
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.run import Run
from kmeans.stream.snapshot import RunSnapshot
from kmeans.stream.start import StreamStart
from kmeans.stream.stream import Stream
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans.rows import Rows, blobs, heavy_tailed, settings_for

pytestmark = pytest.mark.skipif(INTERPRETED, reason="groups are taken by machine code alone")

HEAD = b"what comes before the numbers"


class Filed(Rows):
    """Rows in a file, of which some records are odd: their rows are known, but not from there."""

    def __init__(self, rows: FloatArray, batch_size: int, path: Path, odd: dict[int, bytes] | None = None) -> None:
        super().__init__(rows, batch_size)
        records = [HEAD + row.tobytes() for row in rows]
        for number, record in (odd or {}).items():
            records[number] = record
        path.write_bytes(b"".join(records))
        self.file = os.open(path, os.O_RDONLY)
        self.stretches_given = 0

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        self.passes += 1
        stride, (n_rows, d) = len(HEAD) + 4 * self.rows.shape[1], self.rows.shape
        while skip < n_rows:
            whole = (n_rows - skip) // self.batch_size * self.batch_size
            packed = PackedRows.of_file(whole, self.file, skip * stride, stride, HEAD, d)
            self.stretches_given += 1
            yield packed
            skip += packed.taken
            yield from [self.rows[skip : skip + self.batch_size].copy()] if skip < n_rows else []
            skip += self.batch_size


class InMemory(Rows):
    """Rows that come many mini-batches at a time."""

    def __init__(self, rows: FloatArray, batch_size: int, together: int = 7) -> None:
        super().__init__(rows, batch_size)
        self.size = together * batch_size

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        self.passes += 1
        for start in range(skip, len(self.rows), self.size):
            yield self.rows[start : start + self.size].copy()


class Recorder(Silent):
    """Keeps what it observes of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[Any, ...]] = []

    def stepped(self, batch: MiniBatch) -> None:
        self.steps.append((batch.rows, batch.inertia, batch.own_rows, batch.reassigned))


def trained(source: Rows, settings: TrainingSettings, n_threads: int = 1, **arguments: Any) -> tuple[Model, Recorder]:
    observed = Recorder()
    with Threads(n_threads) as threads:
        return fit(source, settings, SingleHost(), threads, observed, **arguments), observed


def assert_same(one: tuple[Model, Recorder], other: tuple[Model, Recorder]) -> None:
    (model, observed), (expected, expected_observed) = one, other
    assert [step[::2] for step in observed.steps] == [step[::2] for step in expected_observed.steps]
    assert [step[3] for step in observed.steps] == [step[3] for step in expected_observed.steps]
    np.testing.assert_allclose(
        [step[1] for step in observed.steps], [step[1] for step in expected_observed.steps], rtol=1e-12
    )
    for name in ("centers", "weights", "spreads", "shift"):
        assert getattr(model.state, name).tobytes() == getattr(expected.state, name).tobytes(), name
    for name in ("rows", "labels", "weights"):
        assert getattr(model.state.sample, name).tobytes() == getattr(expected.state.sample, name).tobytes(), name
    assert model.centers.tobytes() == expected.centers.tobytes()
    assert model.events == expected.events


SHAPES = [(4321, 3, 2, 100), (3000, 40, 5, 250), (2500, 7, 60, 1000), (1999, 1, 3, 64)]


@pytest.mark.parametrize("half_life", [0, 700])
@pytest.mark.parametrize(("n", "d", "k", "batch"), SHAPES)
def test_a_file_gives_what_its_rows_do_one_mini_batch_after_the_other(
    tmp_path: Path, n: int, d: int, k: int, batch: int, half_life: int
) -> None:
    rows = heavy_tailed(n, d, seed=d)
    settings = settings_for(rows, k, batch_size=batch, half_life=half_life, sample_size=300, epochs=2)
    expected = trained(Rows(rows, batch), settings)
    source = Filed(rows, batch, tmp_path / "rows")
    for n_threads in (1, 2, 3, 8):
        assert_same(trained(source, settings, n_threads), expected)
        assert_same(trained(InMemory(rows, batch), settings, n_threads), expected)
    # A stretch for each epoch, and nothing was left of it.
    assert source.stretches_given <= 2 * 4
    assert any(step[3] for step in expected[1].steps) or d == 1


def odd(kind: str, row: FloatArray) -> bytes:
    return {
        # What these hold is something else.
        "another head": b"W" + HEAD[1:] + (row + 1).tobytes(),
        "the end of another head": HEAD[:-1] + b"S" + (row + 1).tobytes(),
        "not a number": HEAD + np.append(row[:-1], np.float32(np.nan)).tobytes(),
        "infinity": HEAD + np.append(np.float32(np.inf), row[1:]).tobytes(),
    }[kind]


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("kind", ["another head", "the end of another head", "not a number", "infinity"])
def test_a_mini_batch_with_an_odd_record_is_left_to_others(tmp_path: Path, kind: str, n_threads: int) -> None:
    rows = blobs(5000, 5, 4, seed=1)
    settings = settings_for(rows, 3, batch_size=200)
    expected = trained(Rows(rows, 200), settings)
    for places in ([0], [4999], [200, 201], [399], [1234, 3456]):
        source = Filed(rows, 200, tmp_path / "rows", {place: odd(kind, rows[place]) for place in places})
        assert_same(trained(source, settings, n_threads), expected)


def test_a_file_that_ends_too_early_has_no_rows_after_its_end(tmp_path: Path) -> None:
    rows = blobs(5000, 5, 4, seed=1)
    settings = settings_for(rows, 3, batch_size=200)
    source = Filed(rows, 200, tmp_path / "rows")
    os.truncate(tmp_path / "rows", 2345 * (len(HEAD) + 20) + 7)
    assert_same(trained(source, settings, 2), trained(Rows(rows, 200), settings))
    os.close(source.file)
    # Whatever else is open has another number than this.
    source.file = 1 << 20
    assert_same(trained(source, settings, 2), trained(Rows(rows, 200), settings))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_outliers_are_left_to_others(tmp_path: Path, n_threads: int) -> None:
    rows = blobs(5000, 5, 4, seed=1)
    rows[1717, 2] = 1e30
    rows[[4000, 4001]] = 3e38
    settings = settings_for(rows, 3, batch_size=200)
    expected = trained(Rows(rows, 200), settings)
    assert_same(trained(Filed(rows, 200, tmp_path / "rows"), settings, n_threads), expected)
    assert_same(trained(InMemory(rows, 200), settings, n_threads), expected)
    assert np.isfinite(expected[0].state.centers).all()


def test_far_rows_may_be_forbidden(tmp_path: Path) -> None:
    rows = heavy_tailed(3000, 4, seed=1)
    settings = settings_for(rows, 3, batch_size=200, reassign_far_rows=False)
    assert_same(trained(Filed(rows, 200, tmp_path / "rows"), settings, 2), trained(Rows(rows, 200), settings))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_run_resumes_from_a_snapshot(tmp_path: Path, n_threads: int) -> None:
    rows = heavy_tailed(20_000, 4, seed=1)
    settings = settings_for(rows, 3, batch_size=100, sample_size=500)
    source = Filed(rows, 100, tmp_path / "rows")
    expected = trained(source, settings)
    kept: list[RunSnapshot] = []

    def keep(snapshot: RunSnapshot) -> None:
        kept.append(deepcopy(snapshot))

    calls = iter(range(10_000))
    control = Control(saving=lambda: next(calls) % 3 == 0, save=keep)
    assert_same(trained(source, settings, n_threads, control=control), expected)
    within = [snapshot for snapshot in kept if snapshot.within_epoch]
    assert len(within) > 1
    for snapshot in within[::2]:
        model, _ = trained(source, settings, n_threads, snapshot=snapshot)
        assert model.state.centers.tobytes() == expected[0].state.centers.tobytes()
        assert model.centers.tobytes() == expected[0].centers.tobytes()


def test_a_state_that_is_kept_all_the_time_holds_up_no_odd_record(tmp_path: Path) -> None:
    rows = blobs(2000, 5, 4, seed=1)
    settings = settings_for(rows, 3, batch_size=100)
    source = Filed(rows, 100, tmp_path / "rows", {0: odd("infinity", rows[0]), 950: odd("infinity", rows[950])})
    control = Control(saving=lambda: True)
    assert_same(trained(source, settings, 2, control=control), trained(Rows(rows, 100), settings))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_rows_of_a_file_arrive_in_blocks_in_the_middle_of_a_mini_batch(tmp_path: Path, n_threads: int) -> None:
    """As where a state was kept that has rows of a part of one."""
    rows = blobs(2000, 5, 4, seed=1)
    settings = settings_for(rows, 3, batch_size=100)

    class Short(Filed):
        def stretches(self, skip: int = 0) -> Iterator[Stretch]:
            yield self.rows[:30].copy()
            yield from super().stretches(30)

    model, _ = trained(Short(rows, 100, tmp_path / "rows"), settings, n_threads)
    assert model.rows == 2000
    assert model.state.weights.sum() == 2000


def test_a_run_that_is_to_stop_ends_with_a_group(tmp_path: Path) -> None:
    rows = blobs(20_000, 4, 3, seed=1)
    settings = settings_for(rows, 3, batch_size=100)
    answers = iter([False] * 3)
    control = Control(stopping=lambda: next(answers, True))
    model, observed = trained(Filed(rows, 100, tmp_path / "rows"), settings, 2, control=control)
    assert model.stopped
    assert model.rows == 100 * len(observed.steps) < 20_000
    assert model.state.weights.sum() == model.rows


def test_what_fails_between_two_groups_ends_the_threads(tmp_path: Path) -> None:
    rows = blobs(20_000, 4, 3, seed=1)

    class Failing(Recorder):
        def stepped(self, batch: MiniBatch) -> None:
            super().stepped(batch)
            if len(self.steps) == 5:
                raise OSError("the log is gone")

    with Threads(3) as threads, pytest.raises(OSError, match="the log is gone"):
        fit(
            Filed(rows, 100, tmp_path / "rows"),
            settings_for(rows, 3, batch_size=100),
            SingleHost(),
            threads,
            Failing(),
        )


def test_the_reassignments_of_a_group_are_those_of_its_mini_batches() -> None:
    rows = heavy_tailed(2000, 3, seed=3)
    start = StreamStart(rows[:20].astype(np.float64), np.zeros(20), np.zeros(3, np.float32))
    reservoir = Reservoir(10, 3, 0, np.random.default_rng(0))
    alone = Stream(start, 0, SingleHost(), Threads(), reassign_far_rows=True)
    expected = []
    for block in np.split(rows, 20):
        alone.add(block)
        expected.append(alone.step().reassignments)
    with Threads(2) as threads:
        grouped = Stream(start, 0, SingleHost(), threads, reassign_far_rows=True)
        packed, found = PackedRows.of_memory(rows), []
        while packed.n_rows:
            with grouped.group(packed, 100, reservoir.limits) as running:
                pass
            found += running.group.reassignments()
    assert found == expected
    assert sum(map(len, found)) > 10


def test_a_stream_that_resumes_does_not_begin_with_a_long_group() -> None:
    rows = blobs(4000, 2, 5, seed=0)
    with Threads() as threads:
        assert Groups(5, 2, threads, None).size(PackedRows.of_memory(rows), 10, rows_seen=1_000_000) == 1


def test_mini_batches_left_to_others_do_not_pile_up() -> None:
    # A row of each mini-batch is an outlier; a stretch in memory holds a hundred of them.
    rows = np.tile(np.arange(4, dtype=np.float32)[:, None], (8000, 1))
    rows[1::4] = np.random.default_rng(0).normal(scale=1e6, size=(8000, 1))
    start = StreamStart(np.array([[1.0], [2.0]]), np.zeros(2), np.zeros(1, np.float32), 1.0)
    settings = settings_for(rows, 2, batch_size=4, sample_size=50)
    seen: list[int] = []

    def take() -> None:
        with Threads() as threads:
            run = Run(start, settings, SingleHost(), threads, np.random.SeedSequence(0))
            run.take_rows(InMemory(rows, 4, together=100), None, Silent(), Events(), Control())
            seen.append(run.stream.rows_seen)

    # A call within a call for each of them would be too much for a small stack.
    size = threading.stack_size(1 << 18)
    try:
        thread = threading.Thread(target=take)
        thread.start()
    finally:
        threading.stack_size(size)
    thread.join()
    assert seen == [len(rows)]
