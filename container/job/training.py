"""A training job on one of its hosts: rows in; model, reports and log lines out."""

import time
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from container.artifacts import model as artifacts
from container.artifacts import room
from container.artifacts.checkpoint import Checkpoints
from container.channels.source import Place, Source
from container.configuration import hyperparameters
from container.configuration.algorithm_settings import settings_of
from container.configuration.files import JobConfiguration
from container.coordinates import Coordinates
from container.errors import CustomerError
from container.job import outputs
from container.job.gpu import open_gpu
from container.job.resuming import coordinates_of, earlier_model, resumed, saving
from container.logs import logger
from container.logs.logger import LOGGER
from container.logs.metrics import log_metrics, log_quality, spread
from container.logs.progress import Progress, TimedSource
from container.precision import settle
from container.resources import cpu_count, memory_limit_bytes
from container.stopping import Stop
from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score, score
from kmeans.communicator import Communicator, any_host
from kmeans.finalization.finalization import TooFewDistinctRowsError
from kmeans.memory import NotEnoughMemoryError, centers_fit
from kmeans.settings import Settings
from kmeans.stream.first_centers import NoRowsError
from kmeans.stream.run import Control
from kmeans.threads import Threads
from kmeans.training import Model, fit

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu

# Sizes of clusters that one line of the log has at most: the service cuts long ones.
MOST_SIZES = 1000


def run(job: JobConfiguration, communicator: Communicator, stop: Stop, began: float) -> None:
    """Run a job on this host.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    communicator : Communicator
        The hosts of the job; their ranks are the places of their names.
    stop : Stop
        The wish to end early.
    began : float
        When the job began, in seconds since 1970.

    Raises
    ------
    JobError
        If it fails.
    """
    with logger.kept_warnings() as warnings, Threads(cpu_count()) as threads:
        chosen = settings_of(job.hyperparameters)
        gpu = _log_configuration(job, chosen, communicator)
        # A job that does not fit into memory is refused for that.
        if job.current_host == job.leader and centers_fit(chosen, memory_limit_bytes()):
            room.require(job.paths.model, room.model_bytes(chosen))
        checkpoints = Checkpoints(
            job.paths.checkpoints,
            job.current_host,
            job.hosts,
            chosen,
            job.hyperparameters.checkpoint_interval_seconds,
        )
        host = job.current_host
        place = Place(communicator.rank, communicator.size)
        rows = Source(
            job.channels["train"],
            chosen.n_features,
            chosen.batch_size,
            place,
            stop,
            # Fewer hold no k distinct ones.
            needed_rows=chosen.k,
            threaded=threads.count > 1,
            threads=threads.count,
        )
        source = TimedSource(rows)
        progress = Progress(host, chosen.epochs, chosen.batch_size, source, stop)
        setup_seconds = time.time() - began
        with logger.Gathered(), logger.Heartbeat(progress.heartbeat):
            model = _fit(job, source, chosen, communicator, threads, progress, checkpoints, stop, gpu)
            metrics = job.hyperparameters.eval_metrics
            progress.finalized()
            # First of all: the machine may go while the rows are assigned.
            files = outputs.write_model(job, model, rows.coordinates, progress)
            exact = outputs.write_assignments(job, model, progress, rows, communicator, threads, stop, gpu)
            if exact is not None and not model.score_is_exact:
                model = model.rescored(exact)
                outputs.restate_model(job, model, rows.coordinates, progress, files)
            _log_train_quality(host, model, metrics)
            progress.log_times()
            log_metrics(host, began, time.time(), {**progress.times, "epochs": spread(chosen.epochs)})
            tested = None
            if "test" in job.channels:
                progress.stage = "scoring the test channel"
                tested = _test_score(job, model, rows.coordinates, communicator, threads, chosen.batch_size, stop, gpu)
                for metric in metrics if tested else ():
                    log_quality(host, "test", metric, getattr(tested, metric))
            else:
                LOGGER.info("Test data is not provided.")
            if stop.overdue():
                LOGGER.warning("Stopped early by %s: there was no time for a report.", stop.cause)
            else:
                outputs.write_report(job, model, rows.coordinates, tested, progress, began, warnings)
    log_metrics(
        host,
        began,
        time.time(),
        {"setuptime": spread(setup_seconds * 1000), "totaltime": spread((time.time() - began) * 1000)},
    )


def _fit(
    job: JobConfiguration,
    source: TimedSource,
    chosen: Settings,
    communicator: Communicator,
    threads: Threads,
    progress: Progress,
    checkpoints: Checkpoints,
    stop: Stop,
    gpu: "Gpu | None",
) -> Model:
    """Train, from where an interrupted job was if there is such a place."""
    earlier = earlier_model(job.channels["model"], chosen.n_features) if "model" in job.channels else None
    snapshot = resumed(checkpoints, communicator)
    rows = source.source
    if snapshot is None:
        rows.settle_by(lambda first: settle(first, communicator, progress))
    else:
        rows.coordinates = coordinates_of(snapshot)
    # The leader's clock decides for all hosts.
    control = Control(
        stop.requested,
        stop.overdue,
        lambda: communicator.rank == 0 and checkpoints.due(),
        saving(checkpoints, communicator, progress, lambda: rows.coordinates),
    )
    try:
        model = fit(
            source,
            chosen,
            communicator,
            threads,
            progress,
            control,
            earlier=earlier,
            snapshot=snapshot,
            memory_bytes=memory_limit_bytes(),
            gpu=gpu,
        )
    except TooFewDistinctRowsError as error:
        if progress.cut_short:
            raise CustomerError(f"The job was stopped after {progress.rows} rows; there is no model: {error}") from None
        raise CustomerError(str(error)) from None
    except NotEnoughMemoryError as error:
        raise CustomerError(
            f"{error}. Lower k, extra_center_factor or refine_sample_size, or take a larger machine."
        ) from None
    except NoRowsError:
        if stop.requested():
            raise CustomerError("The job was stopped before a row came; there is no model") from None
        raise source.source.no_records() from None
    if checkpoints.enabled:
        LOGGER.info("wrote %d checkpoints, in %.3f seconds", checkpoints.written, checkpoints.seconds)
    return model


def _log_configuration(job: JobConfiguration, chosen: Settings, communicator: Communicator) -> "Gpu | None":
    """Log what is to be done, in the built-in's lines; return the GPU that takes part, if any."""
    merged = {**hyperparameters.defaults(), **job.raw_hyperparameters}
    LOGGER.info(
        "Merging with provided configuration from %s: %s",
        job.paths.config / "hyperparameters.json",
        dict(job.raw_hyperparameters),
    )
    LOGGER.info("Final configuration: %s", merged)
    for name in job.hyperparameters.without_effect:
        LOGGER.warning("Hyperparameter %s has no effect here.", name)
    train = job.channels["train"]
    LOGGER.info("Loaded iterator creator %s for content type ('%s', '1.0')", train.content_type, train.content_type)
    gpu = open_gpu(job.hyperparameters.num_gpus, chosen, communicator)
    LOGGER.info("Number of GPUs being used: %d", gpu is not None)
    LOGGER.info("Checkpoint loading and saving are %s.", "enabled" if job.paths.checkpoints.is_dir() else "disabled")
    LOGGER.info("Setting up with params: %s", merged)
    LOGGER.info("seed %d, %d threads, numpy %s", job.hyperparameters.seed, cpu_count(), np.__version__)
    return gpu


def _log_train_quality(host: str, model: Model, metrics: tuple[str, ...]) -> None:
    if model.score_is_exact:
        LOGGER.info("train msd is exact: the mean squared distance of all %d rows", model.score.rows)
    else:
        LOGGER.info(
            "train msd is estimated on a sample of %s of %d rows, with a standard error of %.3g",
            model.score.sample_rows,
            model.rows,
            model.score.msd_error,
        )
    log_quality(host, "train", "msd", model.score.msd)
    if "ssd" in metrics:
        log_quality(host, "train", "ssd", model.score.msd * model.rows)
    sizes = [int(size) for size in model.score.cluster_sizes]
    if len(sizes) <= MOST_SIZES:
        LOGGER.info("cluster sizes in these rows: %s", sizes)
    else:
        LOGGER.info("cluster sizes in these rows: %d to %d, see %s", min(sizes), max(sizes), artifacts.DESCRIPTION)


def _test_score(
    job: JobConfiguration,
    model: Model,
    coordinates: Coordinates,
    communicator: Communicator,
    threads: Threads,
    batch_size: int,
    stop: Stop,
    gpu: "Gpu | None",
) -> Score | None:
    """Score the model on all rows of the test channel, of which each host takes its part; None when it was stopped."""
    place = Place(communicator.rank, communicator.size)
    source = Source(
        job.channels["test"],
        job.hyperparameters.feature_dim,
        batch_size,
        place,
        stop,
        threaded=threads.count > 1,
        threads=threads.count,
        coordinates=coordinates,
    )
    assigner = Engine(threads, model.state.shift, gpu).assigner(model.centers.astype(np.float64))
    # Whoever stops still takes part in the sum, for the others wait for it.
    blocks = takewhile(lambda _: not stop.requested(), source.blocks())
    found = score(blocks, assigner, communicator)
    if any_host(stop.requested(), communicator):
        LOGGER.warning("Stopped by %s: the test channel was not scored.", stop.cause or "SIGTERM")
        return None
    if not found.rows:
        raise source.no_records()
    return found
