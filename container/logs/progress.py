"""The stages of training as log lines in the built-in's words."""

import sys
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from container.channels.channel import Channel
from container.logs.logger import LOGGER, VERBATIM
from container.logs.metrics import Spread, log_metrics, log_progress, log_throughput, spread
from container.report.losses import Losses
from container.stopping import Stop
from kmeans.observer import Observer
from kmeans.source import Stretch
from kmeans.stream.stream import Step
from kmeans.types import DoubleArray, FloatArray

Item = TypeVar("Item")

# The built-in reports the short and the long term loss after so many mini-batches.
REPORT_EVERY = 10


class TimedSource:
    """A source that tells how long it took to give its rows.

    Parameters
    ----------
    source
        Where the rows come from.

    Attributes
    ----------
    seconds
        Spent in waiting for rows.
    """

    def __init__(self, source: Channel) -> None:
        self.source = source
        self.rereadable = source.rereadable
        self.shared = source.shared
        self.seconds = 0.0

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        """Give one pass; see `Channel.blocks`."""
        return self._timed(self.source.blocks(skip))

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        """Give one pass; see `Channel.stretches`."""
        return self._timed(self.source.stretches(skip))

    def _timed(self, items: Iterator[Item]) -> Iterator[Item]:
        while True:
            began = time.perf_counter()
            item = next(items, None)
            self.seconds += time.perf_counter() - began
            if item is None:
                return
            yield item

    def relative(self, points: DoubleArray) -> DoubleArray:
        """See `Channel.relative`."""
        return self.source.relative(points)

    def read_ahead(self) -> bool:
        """See `Channel.read_ahead`."""
        began = time.perf_counter()
        more = self.source.read_ahead()
        self.seconds += time.perf_counter() - began
        return more

    def sample(self, size: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """Draw rows; see `Channel.sample`."""
        began = time.perf_counter()
        drawn = self.source.sample(size, rng)
        self.seconds += time.perf_counter() - began
        return drawn


class Progress(Observer):
    """Writes each stage of training to the log.

    Parameters
    ----------
    host
        This host's name.
    epochs, mini_batch_size
        Of the job.
    source
        The training rows.
    stop
        The wish to end the job early.

    Attributes
    ----------
    losses
        Of the mini-batches, in bounded memory.
    rows
        Rows seen, over all epochs and hosts.
    stage
        What is being done, in words.
    cut_short
        Whether the stream has ended early.
    times
        Milliseconds by stage, as the last `#metrics` line of a job has them.
    """

    def __init__(self, host: str, epochs: int, mini_batch_size: int, source: TimedSource, stop: Stop) -> None:
        super().__init__()
        self.host = host
        self.losses = Losses()
        self.rows = 0
        self._rows_before = 0
        self.stage = "initializing"
        self.times: dict[str, Spread] = {}
        self._epochs = epochs
        self._mini_batch_size = mini_batch_size
        self._source = source
        self._stop = stop
        self.cut_short = False
        self._began = self._epoch_began = self._stage_began = time.time()
        self._steps = 0
        # Of this host, as are the lines that tell them.
        self._own_rows = self._epoch_rows = self._epoch_steps = 0
        self._initial_rows = 0
        self._short = self._long = Step(0, 0.0)
        self._largest_pass = (0, 0)
        self._bar: tqdm[None] | None = None
        # Of the stream; closing passes read too.
        self._loading_seconds = 0.0
        self._finalizing = "finalize.time"

    def heartbeat(self) -> None:
        """Say what is being done; called at regular intervals by another thread."""
        seconds = time.time() - self._stage_began
        LOGGER.info("%s, %d examples seen, %.0f seconds in this stage", self.stage, self.rows, seconds)

    @property
    def rows_per_second(self) -> float:
        """How many rows of all hosts were taken in a second, since the job began or was gone on with."""
        milliseconds = self.times["update.time"].sum if "update.time" in self.times else 0.0
        return 1000 * (self.rows - self._rows_before) / max(milliseconds, 1e-6)

    def _enter(self, stage: str, finished: str) -> None:
        now = time.time()
        self.times.setdefault(finished, Spread()).add((now - self._stage_began) * 1000)
        self._stage_began = now
        self.stage = stage

    # What counts rows and steps, so that an interrupted job goes on counting.
    _COUNTERS = ("rows", "_steps", "_own_rows", "_epoch_rows", "_epoch_steps", "_initial_rows", "_largest_pass")

    def facts(self) -> dict[str, Any]:
        """See `Observer.facts`."""
        counters = {name: getattr(self, name) for name in self._COUNTERS}
        losses = {"short": (self._short.rows, self._short.inertia), "long": (self._long.rows, self._long.inertia)}
        return {**super().facts(), "counters": counters, "losses": losses}

    def restore(self, facts: dict[str, Any]) -> None:
        """See `Observer.restore`."""
        super().restore(facts)
        for name in self._COUNTERS:
            setattr(self, name, facts["counters"][name])
        self._rows_before = self.rows
        rows, steps = self._largest_pass
        self._largest_pass = (rows, steps)
        self._short, self._long = Step(*facts["losses"]["short"]), Step(*facts["losses"]["long"])
        self._enter("training", "initialize.time")
        self._epoch_began = time.time()

    def initialized(self, n_rows: int, n_centers: int) -> None:
        """Log the size of the batch that `n_centers` centers were chosen from."""
        if n_rows < self._mini_batch_size:
            LOGGER.warning(
                "Batch size %d is bigger than the first batch data. Effective batch size used to initialize is %d",
                self._mini_batch_size,
                n_rows,
            )
        self._initial_rows = n_rows
        LOGGER.debug("chose %d centers from %d rows", n_centers, n_rows)
        LOGGER.info("number of center slices 1")
        self._enter("training", "initialize.time")
        self._log_counts(self._began, {"Meta": "init_train_data_iter"}, (n_rows, 1), (n_rows, 1), resets=0)
        self._epoch_began = time.time()
        if sys.stderr.isatty():
            self._bar = tqdm(desc="training", unit=" rows", unit_scale=True, leave=False)

    def stepped(self, step: Step) -> None:
        """Count a mini-batch; every tenth one log how the loss goes."""
        self.losses.add(step.rows, step.inertia)
        self._steps += 1
        self._epoch_steps += 1
        self._epoch_rows += step.own_rows
        self._own_rows += step.own_rows
        self.rows += step.rows
        self._short = Step(self._short.rows + step.rows, self._short.inertia + step.inertia)
        self._long = Step(self._long.rows + step.rows, self._long.inertia + step.inertia)
        if self._bar is not None:
            self._bar.update(step.rows)
        if self._steps % REPORT_EVERY == 0:
            LOGGER.info(
                "Iter %d: Short term msd %f. Long term msd %f",
                self._steps,
                self._short.inertia / self._short.rows,
                self._long.inertia / self._long.rows,
            )
            self._short = Step(0, 0.0)

    def epoch_ended(self, epoch: int) -> None:
        """Log the counts and the speed of an epoch."""
        if self._bar is not None and epoch == self._epochs - 1:
            self._bar.close()
        now = time.time()
        self._loading_seconds = self._source.seconds
        seconds = now - self._epoch_began
        VERBATIM.info(
            "[%s.%03d] [tensorio] [info] epoch_stats="
            '{"data_pipeline": "%s", "epoch": %d, "duration": %d, "num_examples": %d, "num_bytes": %d}',
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)),
            now % 1 * 1000,
            self._source.source.path,
            epoch + 1,
            seconds * 1000,
            self._epoch_steps,
            self._source.source.bytes_read,
        )
        LOGGER.info("processed a total of %d examples", self._epoch_rows)
        log_progress(self.host, 100.0 * (epoch + 1) / self._epochs)
        this_pass = (self._epoch_rows, self._epoch_steps)
        self._largest_pass = max(self._largest_pass, this_pass)
        self._log_counts(
            self._epoch_began, {"epoch": epoch, "Meta": "training_data_iter"}, self._largest_pass, this_pass, epoch + 1
        )
        log_throughput(self.host, self._epoch_rows / max(seconds, 1e-9))
        self._enter("training", "update.time")
        self._epoch_began = time.time()
        self._epoch_rows = self._epoch_steps = 0

    def _log_counts(
        self,
        start: float,
        dimensions: dict[str, object],
        largest: tuple[int, int],
        latest: tuple[int, int],
        resets: int,
    ) -> None:
        counts = {
            "Total Records Seen": self._own_rows + self._initial_rows,
            "Total Batches Seen": self._steps + 1,
            "Max Records Seen Between Resets": largest[0],
            "Max Batches Seen Between Resets": largest[1],
            "Reset Count": resets,
            "Number of Records Since Last Reset": latest[0],
            "Number of Batches Since Last Reset": latest[1],
        }
        log_metrics(
            self.host, start, time.time(), {name: spread(count) for name, count in counts.items()}, **dimensions
        )

    def stopped(self) -> None:
        """Warn that there are rows left."""
        self.cut_short = True
        LOGGER.warning(
            "Stopped early by %s after %d examples; the model is made of these.",
            # It may have reached another host alone.
            self._stop.cause or "SIGTERM",
            self.rows,
        )

    def reassigned(self, count: int) -> None:
        """Log how often a far row took the place of a center."""
        super().reassigned(count)
        LOGGER.info("%d intermediate centers were given up for rows far from all of them", count)

    def shrinking(self, n_centers: int, k: int) -> None:
        """Log the start of the reduction to k centers."""
        self.stage = "shrinking"
        LOGGER.info("shrinking %d centers into %d", n_centers, k)

    def shrinking_unneeded(self) -> None:
        """Log that there is nothing to reduce."""
        LOGGER.info("No shrinking is required as extra_center_factor is 1.")

    def attempted(self, trial: int, msd: float) -> None:
        """Log the loss of a trial."""
        LOGGER.info("local kmeans attempt #%d. Current mean square distance %f", trial, msd)

    def shrunk(self, msd: float) -> None:
        """Log the best loss."""
        LOGGER.info("finished shrinking process. Mean Square Distance = %.0f", msd)
        self._enter("refining", "_shrink.time")

    def refined(self, n_rows: int, msd: float | None) -> None:
        """Log what refinement did."""
        if msd is None:
            LOGGER.info("refinement on a sample of %d rows did not lower its mean square distance", n_rows)
        else:
            LOGGER.info("refined on a sample of %d rows. Mean Square Distance = %f", n_rows, msd)

    def closing(self, number: int) -> None:
        """Tell of a pass in the stage."""
        self._enter(f"closing pass {number}", self._finalizing)
        self._finalizing = "closing.time"

    def closed(self, number: int, msd: float) -> None:
        """Log the loss before a pass moves the centers, if it does."""
        LOGGER.info("closing pass %d over all rows. Mean Square Distance = %f", number, msd)

    def happened(self, event: str, count: int, message: str) -> None:
        """Warn of a policy that was applied."""
        super().happened(event, count, message)
        LOGGER.warning("%s", message)

    def finalized(self) -> None:
        """Note that the model is made."""
        self._enter("writing the model", self._finalizing)

    def log_times(self) -> None:
        """Log where the time of training went, in the built-in's form."""
        seconds = {
            name.removesuffix(".time").lstrip("_"): v.sum / 1000
            for name, v in self.times.items()
            if not name.startswith("model.")
        }
        seconds["refine"] = seconds.pop("finalize")
        seconds["batch data loading with context"] = self._loading_seconds
        seconds["update"] = max(0.0, seconds.get("update", 0.0) - self._loading_seconds)
        total = sum(seconds.values())
        for name, share in sorted(seconds.items(), key=lambda item: -item[1]):
            LOGGER.info("%s took: %.4f%%, (%.6f secs)", name, 100 * share / total, share)
        LOGGER.info("TOTAL took: %s", total)
