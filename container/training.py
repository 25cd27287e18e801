"""A training job on one of its hosts: rows in; model, reports and log lines out."""

import json
import re
import time
from itertools import takewhile

import numpy as np

from container import assignments, hyperparameters, logs, report
from container.artifacts import model as artifacts
from container.artifacts import room, tarball
from container.artifacts.atomic import replacing
from container.artifacts.checkpoint import Checkpoints
from container.beside import beside_the_model
from container.channels.source import Place, Source
from container.configuration import JobConfiguration
from container.continuing import earlier_model, resumed, saving
from container.errors import CustomerError
from container.logs import LOGGER
from container.metrics import log_metrics, log_quality, spread
from container.progress import Progress, TimedSource
from container.resources import cpu_count, memory_limit_bytes
from container.settings import settings_of
from container.stopping import Stop
from kmeans.assignment import Centers
from kmeans.communicator import Communicator, any_host
from kmeans.finalization import TooFewDistinctRowsError
from kmeans.memory import NotEnoughMemoryError
from kmeans.run import Control
from kmeans.scoring import Score, score
from kmeans.settings import Settings
from kmeans.starting import NoRowsError
from kmeans.threads import Threads
from kmeans.training import Model, fit

# The loss over k, under output/data.
CURVE = "msd_by_k.json"

# Sizes of clusters that one line of the log has at most: the service cuts long ones.
MOST_SIZES = 1000

# On SageMaker the leader is algo-1, and notebooks load model_algo-1; the SDK's local mode puts a random word behind.
_SERVICE_HOST = re.compile(r"(algo-[0-9]+)(-[a-z0-9]+)?")


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
    warnings = logs.KeptWarnings()
    LOGGER.addHandler(warnings)
    _log_configuration(job)
    chosen = settings_of(job.hyperparameters)
    if job.current_host == job.leader:
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
    threads = Threads(cpu_count())
    rows = Source(
        job.channels["train"],
        chosen.n_features,
        chosen.batch_size,
        place,
        stop,
        # Fewer hold no k distinct ones.
        needed_rows=chosen.k,
        threaded=threads.count > 1,
    )
    source = TimedSource(rows)
    progress = Progress(host, chosen.epochs, chosen.batch_size, source, stop)
    setup_seconds = time.time() - began
    with logs.Gathered(), logs.Heartbeat(progress.heartbeat):
        model = _fit(job, source, chosen, communicator, threads, progress, checkpoints, stop)
        metrics = job.hyperparameters.eval_metrics
        _log_train_quality(host, model, metrics)
        progress.finalized()
        _write(job, model, progress)
        log_metrics(host, began, time.time(), {**progress.times, "epochs": spread(chosen.epochs)})
        tested = None
        if "test" in job.channels:
            progress.stage = "scoring the test channel"
            tested = _test_score(job, model, communicator, threads, chosen.batch_size, stop)
            for metric in metrics if tested else ():
                log_quality(host, "test", metric, getattr(tested, metric))
        else:
            LOGGER.info("Test data is not provided.")
        _write_assignments(job, model, progress, rows, threads, stop)
        if stop.overdue():
            LOGGER.warning("Stopped early by %s: there was no time for a report.", stop.cause)
        else:
            _write_report(job, model, tested, progress, began, warnings)
    threads.close()
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
) -> Model:
    """Train, from where an interrupted job was if there is such a place."""
    earlier = earlier_model(job.channels["model"], chosen.n_features) if "model" in job.channels else None
    snapshot = resumed(checkpoints, communicator)
    # The leader's clock decides for all hosts.
    control = Control(
        stop.requested,
        stop.overdue,
        lambda: communicator.rank == 0 and checkpoints.due(),
        saving(checkpoints, communicator, progress),
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


def _log_configuration(job: JobConfiguration) -> None:
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
    LOGGER.info("Number of GPUs being used: 0")
    LOGGER.info("Checkpoint loading and saving are %s.", "enabled" if job.paths.checkpoints.is_dir() else "disabled")
    LOGGER.info("Setting up with params: %s", merged)
    LOGGER.info("seed %d, %d threads, numpy %s", job.hyperparameters.seed, cpu_count(), np.__version__)


def _log_train_quality(host: str, model: Model, metrics: tuple[str, ...]) -> None:
    if model.score_is_exact:
        LOGGER.info("train msd is exact: the mean squared distance of all %d rows", model.score.rows)
    else:
        LOGGER.info("train msd is estimated on a sample of %d of %d rows", model.score.rows, model.rows)
    log_quality(host, "train", "msd", model.score.msd)
    if "ssd" in metrics:
        log_quality(host, "train", "ssd", model.score.msd * model.rows)
    sizes = [int(size) for size in model.score.cluster_sizes]
    if len(sizes) <= MOST_SIZES:
        LOGGER.info("cluster sizes in these rows: %s", sizes)
    else:
        LOGGER.info("cluster sizes in these rows: %d to %d, see %s", min(sizes), max(sizes), artifacts.DESCRIPTION)


def _write(job: JobConfiguration, model: Model, progress: Progress) -> None:
    """Write the model's files, and their tarball for local use; only the leader does."""
    if job.current_host != job.leader:
        LOGGER.info("No model is serialized on a non-master node")
        return
    began = time.time()
    description = artifacts.describe(
        model.centers,
        hyperparameters={**hyperparameters.defaults(), **job.raw_hyperparameters},
        seed=job.hyperparameters.seed,
        cluster_sizes=[float(size) for size in model.score.cluster_sizes],
        msd=model.score.msd,
        msd_is_exact=model.score_is_exact,
        rows_scored=model.score.rows,
        rows_seen=progress.rows,
        events=model.events,
    )
    files = artifacts.save(
        job.paths.model,
        _file_host(job.leader),
        artifacts.Model(model.centers, description),
        model.state,
    )
    with beside_the_model(progress, "tarball_failed", f"{artifacts.TARBALL}, for local use, was not written"):
        job.paths.output.mkdir(parents=True, exist_ok=True)
        tarball.write(job.paths.output / artifacts.TARBALL, files)
    with beside_the_model(progress, "curve_failed", f"{CURVE} was not written"):
        job.paths.output_data.mkdir(parents=True, exist_ok=True)
        curve = [{"k": k, "msd": msd} for k, msd in sorted(model.msd_by_k.items())]
        with replacing(job.paths.output_data / CURVE) as file:
            file.write((json.dumps({"msd_by_k": curve}, indent=2, allow_nan=False) + "\n").encode())
    LOGGER.info("wrote %s", ", ".join(str(file) for file in files))
    progress.times["model.serialize.time"] = spread((time.time() - began) * 1000)


def _file_host(leader: str) -> str:
    """Return the name that ends that of the centers' file; a notice is logged where it is not what notebooks expect."""
    match = _SERVICE_HOST.fullmatch(leader)
    if match:
        return match[1]
    LOGGER.info(
        "The centers are in %s%s, after the name of this host; programs written for SageMaker load %salgo-1.",
        artifacts.MODEL_PREFIX,
        leader,
        artifacts.MODEL_PREFIX,
    )
    return leader


def _write_assignments(
    job: JobConfiguration, model: Model, progress: Progress, source: Source, threads: Threads, stop: Stop
) -> None:
    """Write the cluster of every training row, unless told not to."""
    if not job.hyperparameters.write_assignments:
        return
    mode = job.channels["train"].mode
    if mode != "File":
        LOGGER.info("No assignments are written in %s mode: the rows would have to be fetched again.", mode)
        return
    progress.stage = "assigning the training rows"
    began = time.time()
    shared = job.channels["train"].distribution == "FullyReplicated"
    share = (job.hosts.index(job.current_host), len(job.hosts)) if shared else (0, 1)
    folder = job.paths.output_data / assignments.FOLDER / job.current_host
    with beside_the_model(progress, "assignments_failed", "The assignments were not all written"):
        files, rows = assignments.write(
            folder, source, model.centers, model.state.shift, threads, share, stop.requested
        )
        if stop.requested():
            LOGGER.warning("Stopped early by %s: not all assignments were written.", stop.cause)
        LOGGER.info("wrote the assignments of %d rows of %d files, in %.3f seconds", rows, files, time.time() - began)


def _write_report(
    job: JobConfiguration,
    model: Model,
    tested: Score | None,
    progress: Progress,
    job_began: float,
    warnings: logs.KeptWarnings,
) -> None:
    """Write what people look at, unless told not to; only the leader does."""
    if not job.hyperparameters.write_report or job.current_host != job.leader:
        return
    progress.stage = "writing the report"
    began = time.time()
    path = job.paths.output_data / report.NAME
    with beside_the_model(progress, "report_failed", "The report was not written"):
        facts = report.Facts(
            model=model,
            tested=tested,
            losses=progress.losses,
            hosts=job.hosts,
            hyperparameters={**hyperparameters.defaults(), **job.raw_hyperparameters},
            seed=job.hyperparameters.seed,
            epochs=job.hyperparameters.epochs,
            rows_seen=progress.rows,
            rows_per_second=progress.rows_per_second,
            began=job_began,
            seconds=began - job_began,
            versions=artifacts.versions(),
            warnings=warnings.messages,
            warnings_left_out=warnings.left_out,
            events=progress.events,
        )
        report.write(path, facts)
        LOGGER.info("wrote %s, in %.3f seconds", path, time.time() - began)


def _test_score(
    job: JobConfiguration,
    model: Model,
    communicator: Communicator,
    threads: Threads,
    batch_size: int,
    stop: Stop,
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
    )
    centers = Centers(model.centers.astype(np.float64), model.state.shift)
    # Whoever stops still takes part in the sum, for the others wait for it.
    blocks = takewhile(lambda _: not stop.requested(), source.blocks())
    found = score(blocks, centers, communicator, threads)
    if any_host(stop.requested(), communicator):
        LOGGER.warning("Stopped by %s: the test channel was not scored.", stop.cause or "SIGTERM")
        return None
    if not found.rows:
        raise source.no_records()
    return found
