"""A training job: configuration in; model, reports and log lines out."""

import json
import signal
import threading
import time
from types import FrameType

import numpy as np

from container import assignments, configuration, failure, hyperparameters, logs, report
from container.artifacts import model as artifacts
from container.artifacts import tarball
from container.channels.source import Source
from container.configuration import JobConfiguration, Paths
from container.errors import CustomerError
from container.logs import LOGGER
from container.metrics import log_metrics, log_quality, spread
from container.progress import Progress, TimedSource
from container.resources import cpu_count
from container.settings import settings_of
from kmeans.assignment import Centers
from kmeans.communicator import SingleHost
from kmeans.finalization import TooFewDistinctRowsError
from kmeans.scoring import Score, score
from kmeans.threads import Threads
from kmeans.training import Model, fit

# The loss over k, under output/data.
CURVE = "msd_by_k.json"


def main() -> int:
    """Run the job that `SAGEMAKER_BASE_DIR` holds; give the exit code."""
    logs.set_up()
    paths = Paths.from_environment()
    with failure.reported(paths.failure) as outcome:
        _run(paths)
    return outcome.exit_code


def _run(paths: Paths) -> None:
    began = time.time()
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    LOGGER.info("Reading default configuration from %s: %s", hyperparameters.__file__, hyperparameters.defaults())
    job = configuration.load(paths)
    if len(job.hosts) > 1:
        raise CustomerError(
            f"A job runs on one host, got {len(job.hosts)}: {', '.join(job.hosts)}; ask for one instance"
        )
    logs.set_up(job.hyperparameters.log_level)
    warnings = logs.KeptWarnings()
    LOGGER.addHandler(warnings)
    _log_configuration(job)

    chosen = settings_of(job.hyperparameters)
    host = job.current_host
    source = TimedSource(Source(job.channels["train"], chosen.n_features, chosen.batch_size))
    progress = Progress(host, chosen.epochs, chosen.batch_size, source)
    threads = Threads(cpu_count())
    setup_seconds = time.time() - began
    with logs.Heartbeat(progress.heartbeat):
        try:
            model = fit(source, chosen, SingleHost(), threads, progress, stopping.is_set)
        except TooFewDistinctRowsError as error:
            raise CustomerError(str(error)) from None
        if stopping.is_set():
            LOGGER.warning("Stopped early by SIGTERM after %d examples; the model is made of these.", progress.rows)
        metrics = job.hyperparameters.eval_metrics
        _log_train_quality(host, model, metrics, progress.rows // chosen.epochs)
        progress.finalized()
        _write(job, model, progress)
        log_metrics(host, began, time.time(), {**progress.times, "epochs": spread(chosen.epochs)})
        if "test" in job.channels:
            progress.stage = "scoring the test channel"
            tested = _test_score(job, model, threads, chosen.batch_size)
            for metric in metrics:
                log_quality(host, "test", metric, getattr(tested, metric))
        else:
            LOGGER.info("Test data is not provided.")
        _write_assignments(job, model, progress, source.source, threads, stopping)
        _write_report(job, model, progress, began, warnings)
    threads.close()
    log_metrics(
        host,
        began,
        time.time(),
        {"setuptime": spread(setup_seconds * 1000), "totaltime": spread((time.time() - began) * 1000)},
    )


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
    LOGGER.info("Checkpoint loading and saving are disabled.")
    LOGGER.info("Setting up with params: %s", merged)
    LOGGER.info("seed %d, %d threads, numpy %s", job.hyperparameters.seed, cpu_count(), np.__version__)


def _log_train_quality(host: str, model: Model, metrics: tuple[str, ...], rows: int) -> None:
    if model.score_is_exact:
        LOGGER.info("train msd is exact: the mean squared distance of all %d rows", model.score.rows)
    else:
        LOGGER.info("train msd is estimated on a sample of %d of %d rows", model.score.rows, rows)
    log_quality(host, "train", "msd", model.score.msd)
    if "ssd" in metrics:
        log_quality(host, "train", "ssd", model.score.msd * rows)
    LOGGER.info("cluster sizes in these rows: %s", [int(size) for size in model.score.cluster_sizes])


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
        job.leader,
        artifacts.Model(model.centers, description),
        model.state,
    )
    job.paths.output.mkdir(parents=True, exist_ok=True)
    tarball.write(job.paths.output / artifacts.TARBALL, files)
    job.paths.output_data.mkdir(parents=True, exist_ok=True)
    curve = [{"k": k, "msd": msd} for k, msd in sorted(model.msd_by_k.items())]
    (job.paths.output_data / CURVE).write_text(json.dumps({"msd_by_k": curve}, indent=2) + "\n")
    LOGGER.info("wrote %s", ", ".join(str(file) for file in files))
    progress.times["model.serialize.time"] = spread((time.time() - began) * 1000)


def _write_assignments(
    job: JobConfiguration, model: Model, progress: Progress, source: Source, threads: Threads, stopping: threading.Event
) -> None:
    """Write the cluster of every training row, unless told not to; the model stands whatever happens here."""
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
    try:
        files, rows = assignments.write(folder, source, model.centers, threads, share, stopping.is_set)
    except Exception as error:
        progress.happened("assignments_failed", 1, f"The assignments were not all written: {error}")
        return
    if stopping.is_set():
        LOGGER.warning("Stopped early by SIGTERM: not all assignments were written.")
    LOGGER.info("wrote the assignments of %d rows of %d files, in %.3f seconds", rows, files, time.time() - began)


def _write_report(
    job: JobConfiguration, model: Model, progress: Progress, job_began: float, warnings: logs.KeptWarnings
) -> None:
    """Write what people look at, unless told not to; only the leader does, and the model stands whatever happens."""
    if not job.hyperparameters.write_report or job.current_host != job.leader:
        return
    progress.stage = "writing the report"
    began = time.time()
    path = job.paths.output_data / report.NAME
    try:
        facts = report.Facts(
            model=model,
            losses=progress.losses,
            hosts=job.hosts,
            hyperparameters={**hyperparameters.defaults(), **job.raw_hyperparameters},
            seed=job.hyperparameters.seed,
            epochs=job.hyperparameters.epochs,
            rows_seen=progress.rows,
            rows_per_second=1000 * progress.rows / max(sum(progress.times["update.time"].values), 1e-6),
            began=job_began,
            seconds=began - job_began,
            versions=artifacts.versions(),
            warnings=warnings.messages,
            warnings_left_out=warnings.left_out,
            events=progress.events,
        )
        report.write(path, facts)
    except Exception as error:
        progress.happened("report_failed", 1, f"The report was not written: {error}")
        return
    LOGGER.info("wrote %s, in %.3f seconds", path, time.time() - began)


def _test_score(job: JobConfiguration, model: Model, threads: Threads, batch_size: int) -> Score:
    """Score the model on all rows of the test channel."""
    source = Source(job.channels["test"], job.hyperparameters.feature_dim, batch_size)
    shift = model.centers.mean(axis=0, dtype=np.float64).astype(np.float32)
    return score(source.blocks(), Centers(model.centers.astype(np.float64) - shift, shift), SingleHost(), threads)
