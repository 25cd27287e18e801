"""Exact figures of a model, from reading all training rows again to write their assignments."""

import time
from pathlib import Path

from container.artifacts.distances import need_distances
from container.channels.channel import Channel
from container.job import assignments
from container.job.assignment_columns import AssignmentColumns
from container.job.assignments import PassResult
from container.job.best_effort import warn_on_failure
from container.job.context import JobContext
from container.logs.logger import LOGGER
from kmeans.communicator import any_host
from kmeans.model import Model


def write_assignments(context: JobContext, model: Model, source: Channel) -> Model:
    """Write the outputs of every training row, if the job asks for that; all hosts call this together.

    Parameters
    ----------
    context : JobContext
        The job on this host.
    model : Model
        The model whose clusters they are.
    source : Channel
        The training rows.

    Returns
    -------
    Model
        The same on every host: the model, with an exact score and the distances of all rows if all were assigned.
    """
    job, progress, stop = context.configuration, context.progress, context.stop
    chosen = job.hyperparameters
    if chosen.write_assignments is False:
        return model
    mode = job.channels["train"].mode
    if mode != "File":
        LOGGER.info("No assignments are written in %s mode: the rows would have to be fetched again.", mode)
        return model
    folder = job.paths.output_data / assignments.FOLDER / job.place.name
    if chosen.write_assignments is None and not _are_few(context, model, folder):
        return model
    progress.stage = "assigning the training rows"
    began = time.time()
    # What is written of a row and what the model says must rest on the same distances.
    measures = need_distances(chosen.assignment_outputs)
    if measures:
        model = _measured(context, model, source)
    columns = AssignmentColumns.of(model, source.coordinates, chosen)
    shared = job.channels["train"].distribution == "FullyReplicated"
    share = (job.place.rank, job.place.count) if shared else (0, 1)
    written = PassResult.nothing(len(model.centers))
    with warn_on_failure(progress.events, "assignments_failed", "The assignments were not all written"):
        engine = context.engine(model.state.shift)
        written = assignments.write(folder, source, columns, engine, share, stop.requested)
        if stop.requested():
            LOGGER.warning("Stopped early by %s: not all assignments were written.", stop.cause)
        LOGGER.info(
            "wrote the assignments of %d rows of %d files, in %.3f seconds",
            written.rows,
            written.files,
            time.time() - began,
        )
    return _exact(context, model, written, keeps_distances=measures)


def _measured(context: JobContext, model: Model, source: Channel) -> Model:
    """Return the model with the distances of all rows, since what is written of a row depends on those of the others.

    Without them, the distances remain those of the sample.
    """
    if model.distances is None or model.distances.exact:
        return model
    read = PassResult.nothing(len(model.centers))
    with warn_on_failure(context.progress.events, "distances_failed", "The distances are those of a sample"):
        read = assignments.measure(source, model.centers, context.engine(model.state.shift), context.stop.requested)
    return _exact(context, model, read)


def _exact(context: JobContext, model: Model, read: PassResult, *, keeps_distances: bool = False) -> Model:
    """Return the model with what was found on all rows of all hosts, if all were read."""
    if any_host(not read.whole, context.communicator):
        return model
    context.communicator.sum(read.tally.totals)
    read.histogram.combine(context.communicator)
    if read.tally.rows == model.rows:
        return read.applied_to(model, keeps_distances=keeps_distances)
    if not model.stopped:
        message = f"The training rows have changed: expected {model.rows}, got {read.tally.rows}."
        context.progress.events.happened("rows_changed", 1, message)
    return model


def _are_few(context: JobContext, model: Model, folder: Path) -> bool:
    """Return whether all hosts can write assignments by default; log why not."""
    chosen = context.configuration.hyperparameters
    row_bytes = AssignmentColumns(model.centers, chosen.assignment_outputs).row_bytes()
    objection = assignments.objection(folder, model.rows, row_bytes, ids=bool(chosen.id_column))
    if not any_host(bool(objection), context.communicator):
        return True
    LOGGER.info(
        "No assignments are written with write_assignments=auto: %s. To get them, set write_assignments=true, or send "
        "the rows to a batch transform job.",
        objection or "another host has no room",
    )
    return False
