"""Facts of jobs that run in memory."""

from dataclasses import replace

import numpy as np

from container.precision.coordinates import Coordinates
from container.report import Facts
from container.report.losses import Losses
from kmeans.communicator import SingleHost
from kmeans.observer import MiniBatch, Silent
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans.rows import Rows, settings_for


class Recorder(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.losses = Losses()
        self.rows = 0

    def stepped(self, batch: MiniBatch) -> None:
        self.losses.add(batch.rows, batch.inertia)
        self.rows += batch.rows


def facts_of(rows: FloatArray, k: int, batch_size: int = 500, **changes: object) -> Facts:
    """Train on rows and give what a report is made of."""
    settings = settings_for(rows, k, batch_size=batch_size)
    recorder, threads = Recorder(), Threads(1)
    model = fit(Rows(rows, batch_size), settings, SingleHost(), threads, recorder)
    threads.close()
    facts = Facts(
        model=model,
        coordinates=Coordinates(),
        tested=None,
        losses=recorder.losses,
        hosts=("algo-1",),
        hyperparameters={"k": str(k), "feature_dim": str(rows.shape[1])},
        shows_rows=True,
        seed=0,
        epochs=1,
        rows_seen=recorder.rows,
        rows_per_second=12345.6,
        began=1.8e9,
        seconds=3.25,
        versions={"numpy": np.__version__},
        warnings=(),
        warnings_left_out=0,
        events=model.events,
    )
    return replace(facts, **changes)  # type: ignore[arg-type]  # names and types are those of the fields


def blobs(k: int, n_features: int, n_rows: int, seed: int = 0) -> FloatArray:
    """Draw rows around k places, in numbers that differ."""
    rng = np.random.default_rng(seed)
    places = rng.normal(0.0, 6.0, (k, n_features))
    return (places[rng.zipf(1.6, n_rows) % k] + rng.normal(size=(n_rows, n_features))).astype(np.float32)
