"""Several hosts, as threads of this process: one model, however the rows are spread."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kmeans.communicator import AbortedError, Communicator, SingleHost
from kmeans.model import Model
from kmeans.observer import Silent
from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from kmeans.stream.control import Control
from kmeans.stream.first_centers import GivenCenters, NoRowsError
from kmeans.stream.largest_keys import chosen_of_all
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.snapshot import RunSnapshot
from kmeans.stream.start import StreamStart
from kmeans.stream.step import StepFlags
from kmeans.stream.stream import Stream
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans import naive
from tests.kmeans.rows import Rows, settings_for


@pytest.fixture(scope="module")
def digits() -> FloatArray:
    rows = np.ascontiguousarray(load_digits().data, np.float32)
    return rows[np.random.default_rng(0).permutation(len(rows))]


def train(sources: list[Rows], chosen: TrainingSettings, control: Control | None = None) -> list[Model]:
    """Train on as many hosts as there are sources."""
    return run_hosts(
        len(sources),
        lambda hosts: fit(sources[hosts.rank], chosen, hosts, Threads(), Silent(), control),
    )


def shards(rows: FloatArray, sizes: list[int], batch_size: int, rereadable: bool = True) -> list[Rows]:
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    return [Rows(part, batch_size, rereadable) for part in parts]


SPREADS: dict[str, Callable[[int], list[int]]] = {
    "halves": lambda n: [n - n // 2, n // 2],
    "uneven": lambda n: [n - 30, 10, 20],
    "empty ones": lambda n: [0, n, 0, 0],
    "sixteen": lambda n: [n - 15 * (n // 16), *[n // 16] * 15],
}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("rereadable", [True, False])
def test_hosts_reach_the_msd_of_one_host(digits: FloatArray, spread: str, rereadable: bool) -> None:
    chosen = settings_for(digits, 10, batch_size=100)
    alone = fit(Rows(digits, 100), chosen, SingleHost(), Threads(), Silent())
    sizes = SPREADS[spread](len(digits))
    models = train(shards(digits, sizes, 100, rereadable), chosen)
    assert len({model.centers.tobytes() for model in models}) == 1
    model = models[0]
    loss = naive.nearest(digits, model.centers.astype(np.float64))[1].mean()
    assert loss == pytest.approx(model.score.msd, rel=1e-6)
    assert model.score_is_exact
    assert model.score.rows == len(digits)
    assert model.state.weights.sum() == pytest.approx(len(digits))
    assert model.score.msd <= alone.score.msd * 1.002


def test_shared_rows_are_divided_so_that_an_epoch_is_one_pass(digits: FloatArray) -> None:
    chosen = settings_for(digits, 10, batch_size=100)
    alone = fit(Rows(digits, 100), chosen, SingleHost(), Threads(), Silent())
    models = train([Rows(digits, 100, share=(host, 3)) for host in range(3)], chosen)
    assert len({model.centers.tobytes() for model in models}) == 1
    assert models[0].state.weights.sum() == pytest.approx(len(digits))
    assert models[0].score.rows == len(digits)
    assert models[0].score.msd <= alone.score.msd * 1.005


def test_the_same_shards_give_the_same_bytes(digits: FloatArray) -> None:
    chosen = settings_for(digits, 10, batch_size=100, half_life=700, epochs=2, sample_size=500)
    first, again = (train(shards(digits, [900, 500, len(digits) - 1400], 100), chosen)[0] for _ in range(2))
    assert first.centers.tobytes() == again.centers.tobytes()
    assert first.state.sample.rows.tobytes() == again.state.sample.rows.tobytes()
    assert first.msd_by_k == again.msd_by_k


@pytest.mark.parametrize("n_hosts", [1, 2, 3, 5])
def test_decay_counts_the_points_of_all_hosts(n_hosts: int) -> None:
    """Rows taken in turns weigh what they do on one host, as long as every host has rows."""
    rng = np.random.default_rng(n_hosts)
    n, half_life = 60, 17
    rows = rng.standard_normal((n * n_hosts, 2)).astype(np.float32)
    start = rng.standard_normal((3, 2))

    def stream(hosts: Communicator) -> tuple[np.ndarray, np.ndarray]:
        made = Stream(StreamStart(start, np.zeros(3), np.zeros(2, np.float32)), half_life, hosts, Threads())
        for own in np.split(np.ascontiguousarray(rows[hosts.rank :: n_hosts]), [20, 40]):
            made.add(own[:7])
            made.add(own[7:])
            made.step()
        return made.centers, made.weights

    (centers, weights), *others = run_hosts(n_hosts, stream)
    batches = np.split(rows, [20 * n_hosts, 40 * n_hosts])
    expected_centers, expected_weights = naive.stream(batches, start, half_life)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-9)
    np.testing.assert_allclose(centers, expected_centers, rtol=1e-9)
    for other in others:
        assert other[0].tobytes() == centers.tobytes()


ONE_CENTER = StreamStart(np.zeros((1, 1)), np.zeros(1), np.zeros(1, np.float32))


def test_hosts_that_have_ended_take_no_turns() -> None:
    """The longer shard of two decays alone at the end: by its own points."""
    half_life, long, short = 10, 40, 20

    def stream(hosts: Communicator) -> float:
        made = Stream(ONE_CENTER, half_life, hosts, Threads())
        left = [long, short][hosts.rank]
        while True:
            if left:
                made.add(np.zeros((10, 1), np.float32))
                left -= 10
            if made.step(StepFlags(ended=left == 0)).flags.ended:
                return float(made.weights[0])

    weights = run_hosts(2, stream)
    expected = (0.5 ** (np.arange(long + short) / half_life)).sum()
    assert weights == pytest.approx([expected, expected], rel=1e-9)


def test_flags_of_one_host_count_for_all_but_the_end_needs_all() -> None:
    def vote(hosts: Communicator) -> list[StepFlags]:
        made = Stream(ONE_CENTER, 0, hosts, Threads())
        first = made.step(StepFlags(ended=hosts.rank == 0, saving=hosts.rank == 2, bound=-1.5 * hosts.rank))
        second = made.step(StepFlags(ended=True, stopping=hosts.rank == 1))
        return [first.flags, second.flags]

    expected = [StepFlags(saving=True, bound=-3.0), StepFlags(ended=True, stopping=True)]
    assert run_hosts(3, vote) == [expected] * 3


def test_stopping_on_one_host_stops_all_at_the_same_step(digits: FloatArray) -> None:
    chosen = settings_for(digits, 10, batch_size=50, epochs=3)
    sources = shards(digits, [600, 1197], 50)

    class Counting(Silent):
        steps = 0

        def stepped(self, step: object) -> None:
            self.steps += 1

    def run(hosts: Communicator) -> tuple[int, Model]:
        observer = Counting()
        control = Control(stopping=lambda: hosts.rank == 1 and observer.steps >= 4)
        return observer.steps, fit(sources[hosts.rank], chosen, hosts, Threads(), observer, control)

    (_, one), (_, other) = run_hosts(2, run)
    assert one.centers.tobytes() == other.centers.tobytes()
    assert one.state.weights.sum() == 5 * 2 * 50
    assert one.score.rows == 500


def test_an_error_on_one_host_reaches_the_caller_and_frees_the_others(digits: FloatArray) -> None:
    class Broken(Rows):
        def blocks(self, skip: int = 0) -> object:  # type: ignore[override]  # it gives nothing
            raise OSError("the disk is gone")

    freed = []

    def run(hosts: Communicator) -> None:
        kind = Broken if hosts.rank == 1 else Rows
        try:
            fit(kind(digits, 100), settings_for(digits, 10), hosts, Threads(), Silent())
        except AbortedError:
            freed.append(hosts.rank)
            raise

    with pytest.raises(OSError, match="the disk is gone"):
        run_hosts(3, run)
    assert sorted(freed) == [0, 2]


def test_no_rows_on_any_host_are_an_error() -> None:
    nothing = np.empty((0, 4), np.float32)
    with pytest.raises(NoRowsError):
        train([Rows(nothing, 10), Rows(nothing, 10)], settings_for(nothing, 2))


def test_a_sample_of_hosts_is_one_of_all_their_rows() -> None:
    """Every row of uneven shards is equally likely to be kept: chi-square over 299 degrees, mean 299, deviation 24."""
    hits, weights = np.zeros(300), []
    sizes, size = [10, 200, 90], 30
    first = np.cumsum([0, *sizes])
    for seed in range(400):

        def draw(hosts: Communicator, seed: int = seed) -> np.ndarray:
            reservoir = Reservoir(size, 1, 0, np.random.default_rng([seed, hosts.rank]))
            rows = np.arange(first[hosts.rank], first[hosts.rank + 1], dtype=np.float32)[:, None]
            for block in np.array_split(rows, 3):
                reservoir.add(block, block[:, 0].astype(np.int64), block[:, 0].astype(np.float64))
            sample = reservoir.sample(hosts)
            assert len(sample.rows) == size
            assert sample.labels.tolist() == sample.rows[:, 0].tolist()
            assert not sample.complete
            weights.append(sample.weights.sum())
            return sample.rows[:, 0].astype(int)

        kept = run_hosts(3, draw)
        assert (kept[0] == kept[1]).all()
        hits[kept[0]] += 1
    assert np.mean(weights) == pytest.approx(300, rel=0.05)
    expected = 400 * size / 300
    chi_square = ((hits - expected) ** 2 / (expected * (1 - size / 300))).sum()
    assert 299 - 5 * 24 < chi_square < 299 + 5 * 24


@pytest.mark.parametrize("half_life", [0, 500])
# Of the last ones no more may be dropped than all of them have beyond a sample and one more.
@pytest.mark.parametrize("sizes", [(4000, 4000, 4000), (9000, 2900, 100), (6000, 6000, 0), (334, 334, 334)])
def test_hosts_that_tell_what_their_rows_reach_draw_the_same_with_fewer_rows_held(
    sizes: tuple[int, ...], half_life: int
) -> None:
    size, n_turns = 1000, 60

    def draw(hosts: Communicator, *, told: bool) -> tuple[bytes, ...]:
        rng = np.random.default_rng(hosts.rank)
        reservoir = Reservoir(size, 1, half_life, rng, n_hosts=hosts.size)
        rows = rng.standard_normal((sizes[hosts.rank], 1)).astype(np.float32)
        positions = hosts.rank + hosts.size * np.arange(len(rows), dtype=np.float64)
        for block, places in zip(np.array_split(rows, n_turns), np.array_split(positions, n_turns), strict=True):
            if len(block):
                reservoir.add(block, places.astype(np.int64), places)
            if told:
                reservoir.raise_threshold(float(hosts.gather_rows(np.array([reservoir.bound])).min()))
        held[told].append(len(reservoir.snapshot().held.rows))
        sample = reservoir.sample(hosts)
        return sample.rows.tobytes(), sample.labels.tobytes(), sample.weights.tobytes()

    held: dict[bool, list[int]] = {False: [], True: []}
    expected = run_hosts(3, lambda hosts: draw(hosts, told=False))
    got = run_hosts(3, lambda hosts: draw(hosts, told=True))
    assert got == expected
    assert len(set(got)) == 1
    if min(sizes) > size:
        assert max(held[True]) < 0.7 * min(held[False])


def test_the_largest_keys_of_all_hosts() -> None:
    keys = [np.array([5.0, 1.0]), np.empty(0), np.array([4.0, 3.0, 2.0])]
    found = run_hosts(3, lambda hosts: chosen_of_all(keys[hosts.rank], 3, hosts))
    assert [chosen.tolist() for chosen, _ in found] == [[True, False], [], [True, True, False]]
    assert {best_left for _, best_left in found} == {2.0}


@pytest.mark.parametrize("n_hosts", [1, 3])
@pytest.mark.parametrize("half_life", [0, 400])
def test_a_run_that_was_interrupted_anywhere_ends_with_the_same_bytes(
    digits: FloatArray, n_hosts: int, half_life: int
) -> None:
    # Mini-batches of several hosts are so small that steps have several.
    batch_size = 150 if n_hosts == 1 else 6
    chosen = settings_for(digits, 10, batch_size=batch_size, epochs=2, half_life=half_life, sample_size=700)
    sources = shards(digits, [1797] if n_hosts == 1 else [900, 800, 97], batch_size)

    def run(hosts: Communicator, snapshot: RunSnapshot | None, keep: list[RunSnapshot] | None) -> Model:
        def save(taken: RunSnapshot) -> None:
            if keep is not None:
                keep.append(deepcopy(taken))

        control = Control(saving=lambda: hosts.rank == 0 and keep is not None, save=save)
        source = sources[hosts.rank]
        return fit(source, chosen, hosts, Threads(), Silent(), control, snapshot=snapshot)

    kept: list[list[RunSnapshot]] = [[] for _ in range(n_hosts)]
    whole = run_hosts(n_hosts, lambda hosts: run(hosts, None, kept[hosts.rank]))[0]
    assert run_hosts(n_hosts, lambda hosts: run(hosts, None, None))[0].centers.tobytes() == whole.centers.tobytes()
    assert len(kept[0]) == len({snapshot.step for snapshot in kept[0]}) > 10

    def go_on(place: int, hosts: Communicator) -> Model:
        return run(hosts, deepcopy(kept[hosts.rank][place]), None)

    for i in (0, 4, len(kept[0]) // 2 - 1, len(kept[0]) // 2, -1):
        again = run_hosts(n_hosts, partial(go_on, i))[0]
        assert again.centers.tobytes() == whole.centers.tobytes()
        assert again.state.centers.tobytes() == whole.state.centers.tobytes()
        assert again.state.sample.rows.tobytes() == whole.state.sample.rows.tobytes()
        assert again.events == whole.events


class GivesUp(Rows):
    """A source that has no more blocks when the job is stopping, though it has more rows."""

    def __init__(self, rows: FloatArray, batch_size: int, blocks_in_all: int) -> None:
        super().__init__(rows, batch_size, rereadable=False)
        self.left = blocks_in_all
        self.stopping = False

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        for block in super().blocks(skip):
            if not self.left:
                self.stopping = True
                return
            self.left -= 1
            yield block


@pytest.mark.parametrize(("n_blocks", "epoch", "within"), [(5, 0, True), (18, 0, False), (20, 1, True)])
def test_a_source_that_gives_up_has_not_ended_its_epoch(
    digits: FloatArray, n_blocks: int, epoch: int, within: bool
) -> None:
    """Within an epoch, between two, and early in a later one: the model knows all rows, and the job can resume."""
    chosen = settings_for(digits, 10, batch_size=100, epochs=2)
    source = GivesUp(digits, 100, n_blocks)
    kept: list[RunSnapshot] = []

    def save(taken: RunSnapshot) -> None:
        kept.append(deepcopy(taken))

    model = fit(source, chosen, SingleHost(), Threads(), Silent(), Control(lambda: source.stopping, save=save))
    seen = min(100 * n_blocks, 1797 + 100 * max(0, n_blocks - 18))
    assert model.stopped
    assert model.state.weights.sum() == seen
    assert model.rows == (seen if epoch == 0 else seen - 1797)
    assert model.state.sample.complete == (epoch == 0)
    whole = naive.nearest(digits, model.centers.astype(np.float64))[1].mean()
    assert whole < 800
    assert (kept[-1].epoch, kept[-1].within_epoch) == (epoch + (not within), within)
    resumed = fit(Rows(digits, 100), chosen, SingleHost(), Threads(), Silent(), snapshot=kept[-1])
    alone = fit(Rows(digits, 100, rereadable=False), chosen, SingleHost(), Threads(), Silent())
    assert resumed.centers.tobytes() == alone.centers.tobytes()


def test_hosts_without_rows_take_no_turns_from_the_start(digits: FloatArray) -> None:
    """So decay is that of one host, whatever hosts stand by."""
    chosen = settings_for(digits, 10, batch_size=100, half_life=150, epochs=2)
    alone = fit(Rows(digits, 100), chosen, SingleHost(), Threads(), Silent())
    among = train([Rows(digits, 100), Rows(digits[:0], 100), Rows(digits[:0], 100)], chosen)[0]
    assert among.state.weights.sum() == pytest.approx(alone.state.weights.sum(), rel=1e-9)
    np.testing.assert_allclose(among.state.sample.weights, alone.state.sample.weights, rtol=1e-9)


RECIPE = FinalizationSettings(LloydSettings("kmeans++", 3, 100, 1e-4), refine=False)


@pytest.mark.parametrize("n_earlier", [3, 20, 150])
def test_an_earlier_model_is_where_the_stream_starts(digits: FloatArray, n_earlier: int) -> None:
    earlier = GivenCenters(digits[:n_earlier].astype(np.float64), np.full(n_earlier, 1e9))
    chosen = settings_for(digits, 10, finalization=RECIPE, reassign_far_rows=False)
    model = fit(Rows(digits, 500), chosen, SingleHost(), Threads(), Silent(), earlier=earlier)
    state = model.state
    assert len(state.centers) == max(100, n_earlier)
    # They weigh so much that the rows hardly move them.
    np.testing.assert_allclose(state.centers[:n_earlier], digits[:n_earlier], atol=1e-4)
    assert state.weights.sum() == pytest.approx(n_earlier * 1e9 + len(digits))
    assert not state.sample.complete
    assert model.score_is_exact


def test_an_earlier_model_without_weights_gives_way_to_the_rows(digits: FloatArray) -> None:
    earlier = GivenCenters(digits[:10].astype(np.float64), np.zeros(10))
    chosen = settings_for(digits, 10, n_centers=10, finalization=RECIPE, reassign_far_rows=False)
    model = fit(Rows(digits, 500), chosen, SingleHost(), Threads(), Silent(), earlier=earlier)
    assert model.state.weights.sum() == len(digits)
    assert model.score.msd < naive.nearest(digits, digits[:10].astype(np.float64))[1].mean()
