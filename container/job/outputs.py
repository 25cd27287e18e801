"""The outputs of a job: the model, its tarball, the sample, the loss over k, and the report."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container import report
from container.artifacts import curve as curves
from container.artifacts import model as artifacts
from container.artifacts import state as states
from container.artifacts import tarball
from container.artifacts.description import describe
from container.artifacts.distances import described
from container.files.atomic import replacing
from container.job.best_effort import warn_on_failure
from container.job.context import JobContext
from container.logs import logger
from container.logs.logger import LOGGER
from container.logs.metrics import summary
from container.precision.coordinates import Coordinates
from container.precision.scales import dominance
from container.versions import COMPUTING, versions
from kmeans.assignment.scoring import Score
from kmeans.finalization.rowless import without_rows
from kmeans.model import Model

# On SageMaker the leader is algo-1, and notebooks load model_algo-1. The SDK's local mode appends a random word.
_SERVICE_HOST = re.compile(r"(algo-[0-9]+)(-[a-z0-9]+)?")


def write_model(context: JobContext, model: Model, coordinates: Coordinates) -> tuple[Path, ...]:
    """Write the model's files, their tarball for local use, the loss over k and the sample; only the leader does.

    Parameters
    ----------
    context : JobContext
        The job on this host.
    model : Model
        The model to write.
    coordinates : Coordinates
        The coordinates of its centers and rows.

    Returns
    -------
    tuple of Path
        The model's files; empty on hosts that wrote none.

    Raises
    ------
    OSError
        If the model itself can't be written.
    """
    job = context.configuration
    if not job.place.leads:
        LOGGER.info("No model is serialized on a non-master node")
        return ()
    began = time.time()
    centers = _centers(context, model, coordinates)
    files = artifacts.save(
        job.paths.model,
        _file_host(job.place.leader),
        artifacts.SavedModel(centers, _description(context, model, coordinates)),
        without_rows(model.state, model.centers, model.epochs, weighted=bool(job.hyperparameters.weight_column)),
        coordinates,
    )
    if centers.dtype == np.float64:
        LOGGER.info(
            "%s has the centers in float32, which can't hold them apart; %s has them in float64, and they are served.",
            files[-1].name,
            artifacts.DESCRIPTION,
        )
    _write_copies(context, model, files)
    _write_sample(context, model, coordinates)
    LOGGER.info("wrote %s", ", ".join(str(file) for file in files))
    LOGGER.info("suggested number of clusters: %s", curves.suggested(model.curve))
    context.progress.times["model.serialize.time"] = summary((time.time() - began) * 1000)
    return files


def update_model(context: JobContext, model: Model, coordinates: Coordinates, files: tuple[Path, ...]) -> None:
    """Replace the score in the files of a model; without room for that on the disk they stay as they are.

    Parameters
    ----------
    context : JobContext
        The job on this host.
    model : Model
        The model, with another score than the one that was written.
    coordinates : Coordinates
        The coordinates of its centers.
    files : tuple of Path
        Its files, as `write_model` has returned them.
    """
    if not files:
        return
    with warn_on_failure(context.progress.events, "description_failed", f"{artifacts.DESCRIPTION} was not replaced"):
        artifacts.save_description(context.configuration.paths.model, _description(context, model, coordinates))
        _write_copies(context, model, files)


def _centers(context: JobContext, model: Model, coordinates: Coordinates) -> NDArray[Any]:
    """Return the centers in the units of the data, as the model's files have them."""
    return context.kept.saved(coordinates) if context.kept else coordinates.centers(model.centers)


def _description(context: JobContext, model: Model, coordinates: Coordinates) -> dict[str, Any]:
    job = context.configuration
    return describe(
        _centers(context, model, coordinates),
        hyperparameters=job.all_hyperparameters,
        seed=job.hyperparameters.seed,
        cluster_sizes=[float(size) for size in model.score.cluster_sizes],
        msd=model.score.msd,
        msd_is_exact=model.score_is_exact,
        msd_error=model.score.msd_error,
        rows_scored=model.score.rows if model.score.sample_rows is None else model.score.sample_rows,
        rows=model.score.rows,
        rows_seen=context.progress.rows,
        **({"total_weight": model.score.weight} if job.hyperparameters.weight_column else {}),
        **({"feature_names": context.feature_names} if context.feature_names else {}),
        **curves.indices(model.curve.of(len(model.centers))),
        events=model.events,
        **coordinates.description(),
        **described(model.distances, coordinates, job.hyperparameters.contamination),
    )


def _write_copies(context: JobContext, model: Model, files: tuple[Path, ...]) -> None:
    """Write the tarball of the model's files, and the loss over k.

    Earlier ones are removed first: they are out of date, and the disk may have no room for both.
    """
    paths, progress = context.configuration.paths, context.progress
    with warn_on_failure(progress.events, "tarball_failed", f"{artifacts.TARBALL}, for local use, was not written"):
        path = paths.output / artifacts.TARBALL
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        tarball.write(path, files)
    with warn_on_failure(progress.events, "curve_failed", f"{curves.NAME} was not written"):
        path = paths.output_data / curves.NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with replacing(path) as file:
            file.write(curves.dumps(model.curve))


def _write_sample(context: JobContext, model: Model, coordinates: Coordinates) -> None:
    """Write the state with its rows, if they may be kept; in any case none of an earlier job stays."""
    path = context.configuration.paths.output_data / artifacts.STATE
    with warn_on_failure(context.progress.events, "sample_failed", f"{path.name}, with the sample, was not written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if context.configuration.hyperparameters.shows_rows:
            with replacing(path) as file:
                file.write(states.dumps(model.state, coordinates))
            LOGGER.info("wrote %s, with a sample of %d rows", path, len(model.state.sample.rows))


def _file_host(leader: str) -> str:
    """Return the suffix of the name of the centers' file; log a notice if it is not the one that notebooks expect."""
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


def warn_of_dominant_feature(context: JobContext, model: Model, coordinates: Coordinates) -> None:
    """Log a warning, which the report shows too, if one feature outweighs all others; only the leader does."""
    if context.configuration.place.leads and not (coordinates.scaled or coordinates.unit):
        message = dominance(model.state.sample, context.feature_names)
        if message:
            LOGGER.warning("%s", message)


def write_report(
    context: JobContext,
    model: Model,
    coordinates: Coordinates,
    tested: Score | None,
    warnings: logger.KeptWarnings,
) -> None:
    """Write the report, unless the job asks for none; only the leader does.

    Parameters
    ----------
    context : JobContext
        The job on this host.
    model : Model
        The model that the report shows.
    coordinates : Coordinates
        The coordinates of its centers and rows.
    tested : Score or None
        The score on the test channel, if there is one.
    warnings : KeptWarnings
        The warnings of the job.
    """
    job, progress = context.configuration, context.progress
    if not job.hyperparameters.write_report or not job.place.leads:
        return
    progress.stage = "writing the report"
    began = time.time()
    path = job.paths.output_data / report.NAME
    with warn_on_failure(progress.events, "report_failed", "The report was not written"):
        facts = report.Facts(
            model=model,
            coordinates=coordinates,
            tested=tested,
            losses=progress.losses,
            hosts=job.place.hosts,
            hyperparameters=job.all_hyperparameters,
            shows_rows=job.hyperparameters.shows_rows,
            seed=job.hyperparameters.seed,
            epochs=model.epochs,
            rows_seen=progress.rows,
            rows_per_second=progress.rows_per_second,
            began=context.began,
            seconds=began - context.began,
            versions=versions(*COMPUTING),
            warnings=warnings.messages,
            warnings_left_out=warnings.left_out,
            events=progress.events.counts,
            feature_names=context.feature_names,
        )
        report.write(path, facts)
        LOGGER.info("wrote %s, in %.3f seconds", path, time.time() - began)
