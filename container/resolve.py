"""Make a model of another k from the output of one job, in seconds: no data are read again.

Run `python -m container.resolve --k 7 output seven.tar.gz`, where `output` is the folder of a job's output, with
`model.tar.gz` and `output.tar.gz`. A model alone is enough, but it has no rows of the data, and what is made of it is
less accurate. With `--data FOLDER`, the folder of the training data, no sample is needed, and the report and the
cluster of every row are written to `seven-data`.
"""

if __name__ == "__main__":
    # First of all, since the imports below take a moment.
    import os

    from container.stopping import end_on_interrupt

    stop = end_on_interrupt()
    # As in `train`: threads of BLAS would compete with ours for the same cores.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.packages import needed

with needed():
    from container import report
    from container.artifacts import curve as curves
    from container.artifacts import model as artifacts
    from container.artifacts import tarball
    from container.artifacts.description import describe, feature_names
    from container.artifacts.distances import described, need_distances
    from container.channels.channel import Channel
    from container.channels.form import RecordForm
    from container.channels.reading import Reading
    from container.command_line import check_new_file, local_path
    from container.configuration import hyperparameters
    from container.configuration.channels import RECORDIO, ChannelConfiguration, content_type_of
    from container.configuration.files import weight_fault
    from container.configuration.hyperparameters import Hyperparameters
    from container.errors import CustomerError, JobError
    from container.files.atomic import replacing
    from container.formats.columns import Selection, refuse_moved
    from container.formats.errors import FormatError
    from container.job import assignments
    from container.job.assignment_columns import AssignmentColumns
    from container.logs import logger
    from container.logs.logger import LOGGER
    from container.precision.coordinates import Coordinates
    from container.precision.scales import dominance
    from container.report.losses import Losses
    from container.resolution import check_k, find_state, number_of_rows, resolved, total_weight, with_rows_of
    from container.resources import cpu_count
    from container.stopping import Stop
    from container.versions import COMPUTING, RELEASE, versions
    from kmeans.assignment.engine import Engine
    from kmeans.finalization.deadline import Deadline
    from kmeans.finalization.resources import Resources
    from kmeans.finalization.rowless import without_rows
    from kmeans.model import Model
    from kmeans.threads import Threads

# What the file of the centers is named after: the leader of a job of one host.
HOST = "algo-1"
# Counts of rows are exact in float64 too.
MAX_ROWS = 1 << 53
# Of a block of the training data.
BATCH_ROWS = 5_000


@dataclass(frozen=True)
class Request:
    """What the command is asked to do.

    Attributes
    ----------
    k : int
        The number of clusters of the new model.
    model, out : Path
        The model, or the folder of its job's output, and the new model.
    sample : Path or None
        The state with the sample, or what holds it; None to look for it in the folder of the output.
    data : Path or None
        The folder of the training data; None if no report and no assignments are wanted.
    content_type : str
        The content type of the training data.
    """

    k: int
    model: Path
    out: Path
    sample: Path | None
    data: Path | None
    content_type: str

    @property
    def data_folder(self) -> Path:
        """The folder of the report and the assignments."""
        return self.out.with_name(f"{self.out.name.removesuffix('.gz').removesuffix('.tar')}-data")


def main(arguments: list[str] | None = None, stop: Stop | None = None) -> int:
    """Run the command and return the exit code; the search for a better model ends when `stop` is overdue."""
    parser = argparse.ArgumentParser(prog="python -m container.resolve", description=__doc__)
    parser.add_argument("--version", action="version", version=RELEASE)
    parser.add_argument("--k", type=int, required=True, help="clusters of the new model")
    parser.add_argument("--data", type=local_path, help="folder of the training data, for a report and assignments")
    parser.add_argument("--content-type", default=RECORDIO, help="of the training data (default: %(default)s)")
    parser.add_argument("--sample", type=local_path, help="the job's output.tar.gz or state.npz, unless in its folder")
    parser.add_argument("model", type=local_path, help="the folder of a job's output, or a model alone")
    parser.add_argument("out", type=local_path, help="the model.tar.gz to write")
    given = parser.parse_args(arguments)
    logger.set_up()
    try:
        _resolve(Request(**vars(given)), stop or Stop())
    except JobError as error:
        LOGGER.error("%s", error)
        return error.exit_code
    except OSError as error:
        LOGGER.error("%s", error)
        return 3
    except MemoryError:
        LOGGER.error("expected more memory than there is")
        return 3
    return 0


def _resolve(request: Request, stop: Stop) -> None:
    began = time.time()
    check_new_file(request.out)
    configuration = _configuration(request, request.data) if request.data else None
    try:
        description = artifacts.load(request.model).description
        state, coordinates = find_state(request.model, request.sample)
    except artifacts.ModelError as error:
        raise CustomerError(str(error)) from None
    names = feature_names(description or {})
    chosen = _hyperparameters(request.k, description)
    check_k(request.k, state, request.model)
    n_rows, weight = number_of_rows(description, state), total_weight(description, state, chosen)
    with logger.kept_warnings() as warnings, Threads(cpu_count()) as threads:
        engine = Engine(threads, state.shift, spherical=coordinates.unit)
        resources = Resources(engine, deadline=Deadline(stop.overdue))
        if configuration is None:
            if not len(state.sample.rows):
                LOGGER.info("There is no sample of the rows: the model is less accurate than with --sample or --data.")
            model = resolved(chosen, state, n_rows, resources, weight)
            _write(request, model, coordinates, chosen, description)
            return
        if fault := weight_fault(chosen.weight_column, configuration):
            raise CustomerError(f"--data: {fault}")
        selection = chosen.selection if configuration.has_names else Selection(weight=chosen.weight_column)
        form = RecordForm.of(configuration, state.centers.shape[1], selection, chosen.missing)
        reading = Reading(threads=threads.count, stop=stop)
        channel = Channel(configuration, form, BATCH_ROWS, reading, coordinates=coordinates)
        if configuration.has_names:
            _refuse_other_order(channel, chosen, names)
        if not len(state.sample.rows):
            state = with_rows_of(channel, state, n_rows, chosen, engine)
        model = resolved(chosen, state, n_rows, resources, weight)
        model = _assigned(request.data_folder, channel, model, chosen, engine, stop)
        if not (coordinates.scaled or coordinates.unit) and (dominant := dominance(model.state.sample, names)):
            LOGGER.warning("%s", dominant)
        _write(request, model, coordinates, chosen, description)
    seconds = time.time() - began
    facts = report.Facts(
        model=model,
        coordinates=coordinates,
        tested=None,
        losses=Losses(),
        hosts=(HOST,),
        hyperparameters=_stated(description, request.k),
        shows_rows=chosen.shows_rows,
        seed=chosen.seed,
        epochs=max(1, chosen.epochs),
        rows_seen=model.rows,
        rows_per_second=model.rows / max(1e-9, seconds),
        began=began,
        seconds=seconds,
        versions=versions(*COMPUTING),
        warnings=warnings.messages,
        warnings_left_out=warnings.left_out,
        events=model.events,
        feature_names=names,
    )
    report.write(request.data_folder / report.NAME, facts)
    with replacing(request.data_folder / curves.NAME) as file:
        file.write(curves.dumps(model.curve))
    LOGGER.info("wrote %s", request.data_folder)


def _configuration(request: Request, data: Path) -> ChannelConfiguration:
    """Return the training data as a channel."""
    if not data.is_dir():
        raise CustomerError(f"{data}: expected the folder of the training data, got none")
    if request.data_folder.exists():
        raise CustomerError(
            f"{request.data_folder}: expected no such folder, since the report and the assignments are written there"
        )
    stated = content_type_of("train", request.content_type)
    return ChannelConfiguration("train", stated.name, stated.label_size, "File", "FullyReplicated", data, stated.header)


def _refuse_other_order(channel: Channel, chosen: Hyperparameters, names: Sequence[str]) -> None:
    """Raise CustomerError if the features of the data have another order than those of the model."""
    try:
        refuse_moved(chosen.feature_names or channel.feature_names(), names)
    except FormatError as error:
        raise CustomerError(f"{channel.path}: {error}") from None


def _assigned(
    folder: Path, channel: Channel, model: Model, chosen: Hyperparameters, engine: Engine, stop: Stop
) -> Model:
    """Write the outputs of every training row; return the model with exact figures, if it was made of these rows."""
    measures = need_distances(chosen.assignment_outputs)
    if measures:
        read = assignments.measure(channel, model.centers, engine, stop.overdue)
        if read.whole and read.tally.rows == model.rows:
            model = read.applied_to(model)
    content = AssignmentColumns.of(model, channel.coordinates, chosen)
    written = assignments.write(folder / assignments.FOLDER, channel, content, engine, stopping=stop.overdue)
    LOGGER.info("wrote the assignments of %d rows of %d files", written.rows, written.files)
    if not written.rows:
        raise channel.no_records()
    if not written.whole:
        LOGGER.warning("Stopped early by %s: not all assignments were written.", stop.cause)
    elif model.rows and written.tally.rows != model.rows:
        LOGGER.warning(
            "%s has %d rows, but the model was made of %d: its figures remain those of its own rows.",
            channel.path,
            written.tally.rows,
            model.rows,
        )
    else:
        return written.applied_to(model, keeps_distances=measures)
    return model


def _write(
    request: Request,
    model: Model,
    coordinates: Coordinates,
    chosen: Hyperparameters,
    description: dict[str, Any] | None,
) -> None:
    final = coordinates.centers(model.centers)
    exact = model.score_is_exact
    new = describe(
        final,
        hyperparameters=_stated(description, request.k),
        seed=chosen.seed,
        cluster_sizes=model.score.cluster_sizes.tolist(),
        msd=model.score.msd,
        msd_is_exact=exact,
        msd_error=model.score.msd_error,
        rows_scored=model.score.rows if exact else len(model.state.sample.rows),
        rows=model.score.rows,
        **({"total_weight": model.score.weight} if chosen.weight_column else {}),
        **curves.indices(model.curve.of(request.k)),
        **({"feature_names": names} if (names := feature_names(description or {})) else {}),
        events=model.events,
        **coordinates.description(),
        **described(model.distances, coordinates, chosen.contamination),
        resolved_from_k=description["k"] if description else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        weighted = bool(chosen.weight_column)
        state = without_rows(model.state, model.centers, max(1, chosen.epochs), weighted=weighted)
        files = artifacts.save(Path(folder), HOST, artifacts.SavedModel(final, new), state, coordinates)
        tarball.write(request.out, files)
    LOGGER.info("wrote %s: k = %d, msd %s on %d rows", request.out, request.k, model.score.msd, new["rows_scored"])


def _stated(description: dict[str, Any] | None, k: int) -> dict[str, str]:
    """Return the hyperparameters of the job as they were sent, with another k."""
    stated = description["hyperparameters"] if description else {}
    return {**stated, "k": str(k)}


def _hyperparameters(k: int, description: dict[str, Any] | None) -> Hyperparameters:
    """Return the hyperparameters of the job, with another k."""
    stated = description.get("hyperparameters") if description else None
    if not isinstance(stated, dict):
        raise CustomerError(f"Expected hyperparameters in {artifacts.DESCRIPTION}, got none")
    return hyperparameters.parse({**{str(name): str(value) for name, value in stated.items()}, "k": str(k)})


if __name__ == "__main__":
    sys.exit(main(stop=stop))
