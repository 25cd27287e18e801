"""What a job leaves: the model, and beside it its tarball, the loss over k, assignments and the report."""

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container import report
from container.artifacts import model as artifacts
from container.artifacts import tarball
from container.artifacts.atomic import replacing
from container.artifacts.description import describe
from container.channels.source import Source
from container.configuration import hyperparameters
from container.configuration.files import JobConfiguration
from container.coordinates import Coordinates
from container.job import assignments
from container.job.best_effort import beside_the_model
from container.logs import logger
from container.logs.logger import LOGGER
from container.logs.metrics import spread
from container.logs.progress import Progress
from container.stopping import Stop
from container.versions import COMPUTING, versions
from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score, Tally
from kmeans.communicator import Communicator, any_host
from kmeans.threads import Threads
from kmeans.training import Model

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu

# The loss over k, under output/data.
CURVE = "msd_by_k.json"

# On SageMaker the leader is algo-1, and notebooks load model_algo-1; the SDK's local mode puts a random word behind.
_SERVICE_HOST = re.compile(r"(algo-[0-9]+)(-[a-z0-9]+)?")


def write_model(job: JobConfiguration, model: Model, coordinates: Coordinates, progress: Progress) -> tuple[Path, ...]:
    """Write the model's files, their tarball for local use, and the loss over k; only the leader does.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    model : Model
        What to write.
    coordinates : Coordinates
        Those of its centers and rows.
    progress : Progress
        Told what could not be written, and how long it took.

    Returns
    -------
    tuple of Path
        The model's files that were written.

    Raises
    ------
    OSError
        If the model itself can't be written.
    """
    if job.current_host != job.leader:
        LOGGER.info("No model is serialized on a non-master node")
        return ()
    began = time.time()
    files = artifacts.save(
        job.paths.model,
        _file_host(job.leader),
        artifacts.Model(coordinates.centers(model.centers), _description(job, model, coordinates, progress)),
        model.state,
        coordinates,
    )
    if not coordinates.plain:
        LOGGER.info(
            "%s has the centers in float32, which can't hold them apart; %s has them in float64, and they are served.",
            files[-1].name,
            artifacts.DESCRIPTION,
        )
    _write_copies(job, model, progress, files)
    LOGGER.info("wrote %s", ", ".join(str(file) for file in files))
    progress.times["model.serialize.time"] = spread((time.time() - began) * 1000)
    return files


def restate_model(
    job: JobConfiguration, model: Model, coordinates: Coordinates, progress: Progress, files: tuple[Path, ...]
) -> None:
    """Replace what a written model's files say of its fit; where there is no room for that, they stay as they are.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    model : Model
        The model with another score.
    coordinates : Coordinates
        Those of its centers.
    progress : Progress
        Told what could not be written.
    files : tuple of Path
        Its files; none on hosts that did not write it.
    """
    if not files:
        return
    with beside_the_model(progress, "description_failed", f"{artifacts.DESCRIPTION} was not replaced"):
        artifacts.save_description(job.paths.model, _description(job, model, coordinates, progress))
        _write_copies(job, model, progress, files)


def _description(job: JobConfiguration, model: Model, coordinates: Coordinates, progress: Progress) -> dict[str, Any]:
    return describe(
        coordinates.centers(model.centers),
        hyperparameters={**hyperparameters.defaults(), **job.raw_hyperparameters},
        seed=job.hyperparameters.seed,
        cluster_sizes=[float(size) for size in model.score.cluster_sizes],
        msd=model.score.msd,
        msd_is_exact=model.score_is_exact,
        msd_error=model.score.msd_error,
        rows_scored=model.score.rows if model.score.sample_rows is None else model.score.sample_rows,
        rows=model.score.rows,
        rows_seen=progress.rows,
        events=model.events,
    )


def _write_copies(job: JobConfiguration, model: Model, progress: Progress, files: tuple[Path, ...]) -> None:
    """Write what repeats the model's files, and the loss over k.

    Those from before go first: they say something else, and there may be no room for both.
    """
    with beside_the_model(progress, "tarball_failed", f"{artifacts.TARBALL}, for local use, was not written"):
        path = job.paths.output / artifacts.TARBALL
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        tarball.write(path, files)
    with beside_the_model(progress, "curve_failed", f"{CURVE} was not written"):
        path = job.paths.output_data / CURVE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        curve = [{"k": k, "msd": msd} for k, msd in sorted(model.msd_by_k.items())]
        with replacing(path) as file:
            file.write((json.dumps({"msd_by_k": curve}, indent=2, allow_nan=False) + "\n").encode())


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


def write_assignments(
    job: JobConfiguration,
    model: Model,
    progress: Progress,
    source: Source,
    communicator: Communicator,
    threads: Threads,
    stop: Stop,
    gpu: "Gpu | None",
) -> Score | None:
    """Write the cluster of every training row, unless told not to; all hosts call this together.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    model : Model
        Its centers are those of the clusters.
    progress : Progress
        Told what could not be written.
    source : Source
        The training rows.
    communicator : Communicator
        The hosts of the job.
    threads : Threads
        Where rows are assigned.
    stop : Stop
        Asked before each block whether to end early.
    gpu : Gpu or None
        The GPU of this host, if it is used.

    Returns
    -------
    Score or None
        Of the model on all rows, the same on every host; None where they were not all assigned.
    """
    if not job.hyperparameters.write_assignments:
        return None
    mode = job.channels["train"].mode
    if mode != "File":
        LOGGER.info("No assignments are written in %s mode: the rows would have to be fetched again.", mode)
        return None
    progress.stage = "assigning the training rows"
    began = time.time()
    shared = job.channels["train"].distribution == "FullyReplicated"
    share = (job.hosts.index(job.current_host), len(job.hosts)) if shared else (0, 1)
    folder = job.paths.output_data / assignments.FOLDER / job.current_host
    engine = Engine(threads, model.state.shift, gpu)
    written = assignments.Written(Tally(len(model.centers)))
    with beside_the_model(progress, "assignments_failed", "The assignments were not all written"):
        written = assignments.write(folder, source, model.centers, engine, share, stop.requested)
        if stop.requested():
            LOGGER.warning("Stopped early by %s: not all assignments were written.", stop.cause)
        LOGGER.info(
            "wrote the assignments of %d rows of %d files, in %.3f seconds",
            written.rows,
            written.files,
            time.time() - began,
        )
    if any_host(not written.whole, communicator):
        return None
    communicator.sum(written.tally.totals)
    if written.tally.rows == model.rows:
        return written.tally.score()
    if not model.stopped:
        message = f"The training rows have changed: expected {model.rows}, got {written.tally.rows}."
        progress.happened("rows_changed", 1, message)
    return None


def write_report(
    job: JobConfiguration,
    model: Model,
    coordinates: Coordinates,
    tested: Score | None,
    progress: Progress,
    job_began: float,
    warnings: logger.KeptWarnings,
) -> None:
    """Write the page that people look at, unless told not to; only the leader does.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    model : Model
        What it shows.
    coordinates : Coordinates
        Those of its centers and rows.
    tested : Score or None
        Of the test channel, if there is one.
    progress : Progress
        What the job has done; told what could not be written.
    job_began : float
        When the job began, in seconds since 1970.
    warnings : KeptWarnings
        Those of the job.
    """
    if not job.hyperparameters.write_report or job.current_host != job.leader:
        return
    progress.stage = "writing the report"
    began = time.time()
    path = job.paths.output_data / report.NAME
    with beside_the_model(progress, "report_failed", "The report was not written"):
        facts = report.Facts(
            model=model,
            coordinates=coordinates,
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
            versions=versions(*COMPUTING),
            warnings=warnings.messages,
            warnings_left_out=warnings.left_out,
            events=progress.events,
        )
        report.write(path, facts)
        LOGGER.info("wrote %s, in %.3f seconds", path, time.time() - began)
