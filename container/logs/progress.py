"""Writes the stages of training to the log, in the built-in's words."""

import sys
import time
from typing import Any

from tqdm import tqdm

from container.logs.counts import Counts, RunningLoss
from container.logs.logger import LOGGER, VERBATIM
from container.logs.metrics import Summary, log_metrics, log_progress, log_throughput, summary
from container.logs.timed_source import TimedSource
from container.report.losses import Losses
from container.stopping import Stop
from kmeans.events import Events
from kmeans.observer import MiniBatch, Observer
from kmeans.stream.epoch_losses import EpochLosses

# The built-in reports the short and the long term loss after this number of mini-batches.
REPORT_EVERY = 10


class Progress(Observer):
    """Writes each stage of training to the log.

    Parameters
    ----------
    host : str
        This host's name.
    epochs : int
        The hyperparameter.
    mini_batch_size : int
        The hyperparameter.
    source : TimedSource
        The training rows.
    stop : Stop
        The request to end the job early.

    Attributes
    ----------
    events : Events
        How often each policy was applied; a warning is logged each time.
    losses : Losses
        Of the mini-batches, in bounded memory.
    stage : str
        What is being done, in words.
    cut_short : bool
        Whether the stream has ended early.
    times : dict of str to Summary
        Milliseconds by stage, as the last `#metrics` line of a job has them.
    """

    def __init__(self, host: str, epochs: int, mini_batch_size: int, source: TimedSource, stop: Stop) -> None:
        self.host = host
        self.events = Events(lambda message: LOGGER.warning("%s", message))
        self.losses = Losses()
        self._counts = Counts()
        self._rows_before = 0
        self.stage = "initializing"
        self.times: dict[str, Summary] = {}
        self._epochs = epochs
        self._mini_batch_size = mini_batch_size
        self._source = source
        self._stop = stop
        self.cut_short = False
        self._began = self._epoch_began = self._stage_began = time.time()
        self._short, self._long = RunningLoss(), RunningLoss()
        self._bar: tqdm[None] | None = None
        # Of the stream alone, although closing passes read rows as well.
        self._loading_seconds = 0.0
        self._finalizing = "finalize.time"

    def heartbeat(self) -> None:
        """Log what is being done; called at regular intervals by another thread."""
        seconds = time.time() - self._stage_began
        LOGGER.info("%s, %d examples seen, %.0f seconds in this stage", self.stage, self.rows, seconds)

    @property
    def rows(self) -> int:
        """Rows seen, over all epochs and hosts."""
        return self._counts.rows

    @property
    def steps(self) -> int:
        """Steps of the stream, over all epochs."""
        return self._counts.steps

    @property
    def rows_per_second(self) -> float:
        """Rows of all hosts that were taken in a second, since the job started or resumed."""
        milliseconds = self.times["update.time"].sum if "update.time" in self.times else 0.0
        return 1000 * (self.rows - self._rows_before) / max(milliseconds, 1e-6)

    def _enter(self, stage: str, finished: str) -> None:
        now = time.time()
        self.times.setdefault(finished, Summary()).add((now - self._stage_began) * 1000)
        self._stage_began = now
        self.stage = stage

    def facts(self) -> dict[str, Any]:
        """Return what `restore` needs to resume counting."""
        losses = {"short": (self._short.rows, self._short.inertia), "long": (self._long.rows, self._long.inertia)}
        gap_rows = self._source.source.gap_rows()
        return {
            "counters": self._counts.facts(),
            "losses": losses,
            **({"gap_rows": gap_rows} if gap_rows else {}),
        }

    def restore(self, facts: dict[str, Any]) -> None:
        """Resume from the facts of an interrupted run."""
        self._counts = Counts.of(facts["counters"])
        self._rows_before = self.rows
        self._short, self._long = RunningLoss(*facts["losses"]["short"]), RunningLoss(*facts["losses"]["long"])
        self._source.source.restore_gap_rows(facts.get("gap_rows", 0))
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
        self._counts.initial_rows = n_rows
        LOGGER.debug("chose %d centers from %d rows", n_centers, n_rows)
        LOGGER.info("number of center slices 1")
        self._enter("training", "initialize.time")
        self._log_counts(self._began, {"Meta": "init_train_data_iter"}, (n_rows, 1), (n_rows, 1), resets=0)
        self._epoch_began = time.time()
        if sys.stderr.isatty():
            self._bar = tqdm(desc="training", unit=" rows", unit_scale=True, leave=False)

    def stepped(self, batch: MiniBatch) -> None:
        """Count a mini-batch; after every tenth one log the loss."""
        self.losses.add(batch.count, batch.inertia)
        self._counts.add(batch)
        self._short.add(batch)
        self._long.add(batch)
        if self._bar is not None:
            self._bar.update(batch.rows)
        if self._counts.steps % REPORT_EVERY == 0:
            LOGGER.info(
                "Iter %d: Short term msd %f. Long term msd %f", self._counts.steps, self._short.msd, self._long.msd
            )
            self._short = RunningLoss()

    def epoch_ended(self, epoch: int) -> None:
        """Log the counts and the speed of an epoch."""
        if self._bar is not None and epoch == self._epochs - 1:
            self._bar.close()
        now = time.time()
        self._loading_seconds = self._source.seconds
        seconds = now - self._epoch_began
        this_pass = n_rows, n_steps = self._counts.end_epoch()
        VERBATIM.info(
            "[%s.%03d] [tensorio] [info] epoch_stats="
            '{"data_pipeline": "%s", "epoch": %d, "duration": %d, "num_examples": %d, "num_bytes": %d}',
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)),
            now % 1 * 1000,
            self._source.source.path,
            epoch + 1,
            seconds * 1000,
            n_steps,
            self._source.source.bytes_read,
        )
        LOGGER.info("processed a total of %d examples", n_rows)
        log_progress(self.host, 100.0 * (epoch + 1) / self._epochs)
        dimensions: dict[str, object] = {"epoch": epoch, "Meta": "training_data_iter"}
        self._log_counts(self._epoch_began, dimensions, self._counts.largest_pass, this_pass, epoch + 1)
        log_throughput(self.host, n_rows / max(seconds, 1e-9))
        self._enter("training", "update.time")
        self._epoch_began = time.time()

    def _log_counts(
        self,
        start: float,
        dimensions: dict[str, object],
        largest: tuple[int, int],
        latest: tuple[int, int],
        resets: int,
    ) -> None:
        counts = {
            "Total Records Seen": self._counts.own_rows + self._counts.initial_rows,
            "Total Batches Seen": self._counts.steps + 1,
            "Max Records Seen Between Resets": largest[0],
            "Max Batches Seen Between Resets": largest[1],
            "Reset Count": resets,
            "Number of Records Since Last Reset": latest[0],
            "Number of Batches Since Last Reset": latest[1],
        }
        log_metrics(
            self.host, start, time.time(), {name: summary(count) for name, count in counts.items()}, **dimensions
        )

    def stopped(self) -> None:
        """Warn that there are rows left."""
        self.cut_short = True
        LOGGER.warning(
            "Stopped early by %s after %d examples; the model is %s these.",
            # The signal may have reached only another host.
            self._stop.cause or "SIGTERM",
            self.rows,
            "made of" if self._epochs else "scored on",
        )

    def epochs_ended_early(self, epochs: int, losses: EpochLosses) -> None:
        """Log why there are no further epochs."""
        if self._bar is not None:
            self._bar.close()
        LOGGER.info(
            "No further epoch: epoch %d of %d lowered the loss by no more than early_stopping_tolerance; the msd of "
            "the stream was %s, and %s in the epoch before.",
            epochs,
            self._epochs,
            losses.latest,
            losses.before,
        )

    def assigning(self, k: int) -> None:
        """Log that the model is kept."""
        LOGGER.info("keeping %d centers: the rows are assigned to them, and do not move them", k)
        self._enter("assigning", "initialize.time")

    def assigned(self, batch: MiniBatch) -> None:
        """Count all rows as one mini-batch."""
        self.losses.add(batch.count, batch.inertia)
        self._counts.add(batch)
        self._loading_seconds = self._source.seconds
        LOGGER.info("processed a total of %d examples", batch.own_rows)
        self._enter("scoring", "update.time")

    def reassigned(self, count: int) -> None:
        """Log how often a center was reassigned to a far row."""
        LOGGER.info("reassigned %d intermediate centers to distant rows", count)

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
        """Show the pass in the stage."""
        self._enter(f"closing pass {number}", self._finalizing)
        self._finalizing = "closing.time"

    def closed(self, number: int, msd: float) -> None:
        """Log the loss that a pass has found, before it moves the centers."""
        LOGGER.info("closing pass %d over all rows. Mean Square Distance = %f", number, msd)

    def finalized(self) -> None:
        """Note that the model is finished."""
        self._enter("writing the model", self._finalizing)

    def log_times(self) -> None:
        """Log how long each part of training took, in the built-in's form."""
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
