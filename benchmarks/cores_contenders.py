"""The methods of the benchmark of cores: the stream, and others on rows in memory."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from benchmarks.blobs import PARTS
from benchmarks.cores_clock import TimedThreads, Timing, now
from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.channels.reading import Reading
from container.configuration.algorithm_settings import auto_sample_size
from container.configuration.channels import ChannelConfiguration
from kmeans.assignment.engine import Engine
from kmeans.communicator import SingleHost
from kmeans.events import Events
from kmeans.finalization.lloyd import StopRule, lloyd
from kmeans.observer import Silent
from kmeans.points import WeightedPoints
from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from kmeans.stream.control import Control
from kmeans.stream.run import Run
from kmeans.stream.start import StreamStart
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray

BATCH_ROWS = 5000
ITERATIONS = 3


@dataclass(frozen=True)
class Case:
    """A channel with its rows, and the first centers of streams over it."""

    channel: ChannelConfiguration
    rows: FloatArray
    centers: DoubleArray
    shift: FloatArray
    outlier_distance: float

    @property
    def part(self) -> FloatArray:
        """The rows of the first file."""
        return self.rows[: len(self.rows) // PARTS]


def stream_settings(n_centers: int, n_features: int) -> TrainingSettings:
    """Return the settings that `train` has by default, for a tenth as many clusters as centers."""
    sample_size = auto_sample_size(n_features)
    return TrainingSettings(
        k=max(1, n_centers // 10),
        n_centers=n_centers,
        n_features=n_features,
        batch_size=BATCH_ROWS,
        epochs=1,
        init_method="random",
        half_life=0,
        reassign_far_rows=True,
        finalization=FinalizationSettings(LloydSettings("kmeans++", 10, 300, 1e-4), refine=True),
        sample_size=sample_size,
        kept_sample_size=sample_size,
        seed=0,
    )


def stream(case: Case, n_threads: int, *, grouped: bool) -> Timing:
    """Run the stream over all rows on `n_threads` cores, as `train` does on one core or, with `grouped`, on several."""
    with pinned_to(n_threads), TimedThreads(n_threads) as threads:
        form = RecordForm.of(case.channel, case.rows.shape[1])
        source = Channel(case.channel, form, BATCH_ROWS, Reading(threaded=grouped, threads=n_threads))
        stream_run = Run(
            StreamStart(case.centers, np.zeros(len(case.centers)), case.shift, case.outlier_distance),
            stream_settings(*case.centers.shape),
            SingleHost(),
            threads,
            np.random.SeedSequence(0),
        )
        began, ticks_before = perf_counter(), now()
        stream_run.take_rows(source, source.stretches(), Silent(), Events(), Control())
        # The frequency of the processor's clock is unknown.
        ticks_per_second = (now() - ticks_before) / (perf_counter() - began)
    if stream_run.stream.rows_added != len(case.rows):
        raise ValueError(f"expected {len(case.rows)} rows in the stream, got {stream_run.stream.rows_added}")
    alone = stream_run.stream.alone_ticks / ticks_per_second
    return Timing(threads.seconds, threads.between, threads.other, alone)


def lloyd_passes(case: Case, threads: Threads) -> int:
    """Run Lloyd's iterations over the rows of the first file; return how often each row was assigned."""
    passes = 1

    def enough(_: float) -> bool:
        nonlocal passes
        passes += 1
        return False

    points, stop = WeightedPoints.alike(case.part), StopRule(ITERATIONS, enough=enough)
    lloyd(points, case.centers, stop, Engine(threads, case.shift))
    return passes


def onedal_passes(case: Case) -> int:
    """Run the same with scikit-learn-intelex; return how often each row was assigned."""
    from sklearnex.cluster import KMeans

    fit = KMeans(len(case.centers), init=case.centers, n_init=1, max_iter=ITERATIONS, tol=0.0).fit(case.part)
    return 1 + int(fit.n_iter_)


def partial_fit(rows: FloatArray, centers: DoubleArray) -> None:
    """Run scikit-learn's MiniBatchKMeans over the rows, one mini-batch after the other, from the same centers."""
    estimator = MiniBatchKMeans(len(centers), init=centers, n_init=1, batch_size=BATCH_ROWS, random_state=0)
    for begin in range(0, len(rows), BATCH_ROWS):
        estimator.partial_fit(rows[begin : begin + BATCH_ROWS])


@contextmanager
def pinned_to(count: int) -> Iterator[None]:
    """Pin this thread, and those that it starts, to `count` CPUs, on different cores as far as possible."""
    allowed = os.sched_getaffinity(0)
    taken: Counter[str] = Counter()
    order = []
    for cpu in sorted(allowed):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = siblings.read_text() if siblings.exists() else str(cpu)
        order.append((taken[core], cpu))
        taken[core] += 1
    os.sched_setaffinity(0, [cpu for _, cpu in sorted(order)[:count]])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
