"""A training job on one of its hosts: rows in; model, other outputs and log lines out."""

import time
from itertools import takewhile

import numpy as np

from container.artifacts import disk_space
from container.artifacts import model as artifacts
from container.artifacts.checkpoint import Checkpoints
from container.channels.channel import Channel
from container.channels.files import inventory
from container.channels.form import RecordForm
from container.channels.reading import Reading
from container.configuration.algorithm_settings import log_evaluated, settings_of
from container.configuration.files import JobConfiguration
from container.errors import CustomerError
from container.formats.columns import Selection
from container.job import exact_figures, outputs
from container.job.assignment_columns import check_id_column
from container.job.checkpointing import newest_common, saving
from container.job.context import JobContext
from container.job.coordinates import choose_from_drawn_rows
from container.job.feature_names import FeatureNames, agreed_names
from container.job.gaps import count_gaps
from container.job.given_model import GivenModel, kept_model, read_given_model
from container.job.gpu import open_gpu
from container.logs import logger
from container.logs.logger import LOGGER
from container.logs.metrics import log_metrics, log_quality, summary
from container.logs.progress import Progress
from container.logs.timed_source import TimedSource
from container.precision.coordinates import PLAIN, Coordinates
from container.resources import cpu_count, memory_limit_bytes
from container.stopping import Stop
from kmeans.assignment.scoring import Score, score
from kmeans.communicator import Communicator, any_host
from kmeans.finalization.finalization import TooFewDistinctRowsError
from kmeans.memory import NotEnoughMemoryError, centers_fit
from kmeans.model import Model
from kmeans.settings import TrainingSettings
from kmeans.stream.control import Control
from kmeans.stream.first_centers import NoRowsError
from kmeans.threads import Threads
from kmeans.training import fit

# The service cuts long log lines.
MAX_LOGGED_SIZES = 1000
# With one or two steps, the loss is higher by half a percent; from seven on it is that of many.
FEW_STEPS = 10


def run(job: JobConfiguration, communicator: Communicator, stop: Stop, began: float) -> None:
    """Run a job on this host.

    Parameters
    ----------
    job : JobConfiguration
        The configuration of the job on this host.
    communicator : Communicator
        The hosts of the job; their ranks are those of the configuration.
    stop : Stop
        Whether the job is to end early.
    began : float
        Start of the job, in seconds since 1970.

    Raises
    ------
    JobError
        If the job fails.
    """
    with logger.kept_warnings() as warnings, Threads(cpu_count()) as threads:
        _log_configuration(job)
        check_id_column(job.hyperparameters.id_column)
        chosen = settings_of(job.hyperparameters)
        gpu = open_gpu(job.hyperparameters.num_gpus, chosen, communicator)
        _log_setup(job, chosen)
        # A job that does not fit into memory is refused for that reason first.
        if job.place.leads and centers_fit(chosen, memory_limit_bytes()):
            disk_space.require(job.paths.model, disk_space.model_bytes(chosen))
        checkpoints = Checkpoints(
            job.paths.checkpoints,
            job.place.name,
            job.place.hosts,
            chosen,
            job.hyperparameters.checkpoint_interval_seconds,
            rows={"data": _data(job), **job.hyperparameters.of_rows},
        )
        # Fewer rows than k hold no k distinct ones.
        reading = Reading(job.place, needed_rows=chosen.k, threaded=threads.count > 1, threads=threads.count, stop=stop)
        train, given = job.channels["train"], job.hyperparameters
        form = RecordForm.of(train, chosen.n_features, given.selection, given.missing)
        rows = Channel(train, form, chosen.batch_size, reading)
        names = agreed_names(rows, communicator) if train.has_names else FeatureNames()
        earlier = _given_model(job, chosen, names)
        source = TimedSource(rows)
        progress = Progress(job.place.name, chosen.epochs, chosen.batch_size, source, stop)
        kept = None if chosen.epochs else earlier
        context = JobContext(job, communicator, threads, gpu, stop, progress, began, names, kept)
        setup_seconds = time.time() - began
        with logger.Gathered(), logger.Heartbeat(progress.heartbeat):
            model = _fit(context, chosen, source, checkpoints, earlier)
            progress.finalized()
            model = count_gaps(context, model, rows)
            model = _write_model(context, model, rows)
            _log_train_quality(context, model)
            progress.log_times()
            log_metrics(job.place.name, began, time.time(), {**progress.times, "epochs": summary(model.epochs)})
            outputs.warn_of_dominant_feature(context, model, rows.coordinates)
            tested = _test(context, model, rows.coordinates)
            if stop.overdue():
                LOGGER.warning("Stopped early by %s: there was no time for a report.", stop.cause)
            else:
                outputs.write_report(context, model, rows.coordinates, tested, warnings)
    log_metrics(
        job.place.name,
        began,
        time.time(),
        {"setuptime": summary(setup_seconds * 1000), "totaltime": summary((time.time() - began) * 1000)},
    )


def _data(job: JobConfiguration) -> str:
    """Return what data a checkpoint belongs to: a resumed job skips the rows that it has seen."""
    train = job.channels["train"]
    return inventory(train.path) if train.mode != "Pipe" and job.paths.checkpoints.is_dir() else ""


def _given_model(job: JobConfiguration, chosen: TrainingSettings, names: FeatureNames) -> GivenModel | None:
    """Read what is in the channel `model`, if there is one."""
    channel = job.channels.get("model")
    if channel is None:
        return None
    given = read_given_model(channel, chosen, names.columns, job.hyperparameters.feature_names or names.features)
    if not chosen.epochs:
        return kept_model(channel, given, chosen.k, standardize=job.hyperparameters.standardize)
    LOGGER.info("continuing from %d centers, of %.0f rows", len(given.start.centers), given.start.weights.sum())
    return given


def _fit(
    context: JobContext,
    chosen: TrainingSettings,
    source: TimedSource,
    checkpoints: Checkpoints,
    earlier: GivenModel | None,
) -> Model:
    """Train; resume from a checkpoint if there is one."""
    job, communicator = context.configuration, context.communicator
    progress, stop = context.progress, context.stop
    # A job that keeps its model begins again: it takes a single pass.
    checkpoint = newest_common(checkpoints, communicator) if chosen.epochs else None
    rows = source.source
    if checkpoint is None:
        kept = context.kept and context.kept.coordinates
        choose_from_drawn_rows(rows, context, kept or PLAIN)
    else:
        rows.coordinates = checkpoint.coordinates
    # The leader's clock decides for all hosts.
    control = Control(
        stop.requested,
        stop.overdue,
        lambda: communicator.rank == 0 and checkpoints.due(),
        saving(checkpoints, communicator, progress.events, lambda: rows.coordinates),
    )
    try:
        model = fit(
            source,
            chosen,
            communicator,
            context.threads,
            progress,
            control,
            events=progress.events,
            earlier=earlier.start if earlier else None,
            snapshot=checkpoint.snapshot if checkpoint else None,
            memory_bytes=memory_limit_bytes(),
            gpu=context.gpu,
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
            raise CustomerError("The job was stopped before any row arrived; there is no model") from None
        raise source.source.no_records() from None
    if chosen.epochs and job.place.count > 1 and job.place.leads and progress.steps < FEW_STEPS:
        LOGGER.warning(
            "The stream had only %d steps, each of up to %d rows of %d hosts: the model may be less accurate. "
            "Lower mini_batch_size, raise epochs, or use fewer hosts.",
            progress.steps,
            chosen.batch_size,
            job.place.count,
        )
    if checkpoints.enabled:
        LOGGER.info("wrote %d checkpoints, in %.3f seconds", checkpoints.written, checkpoints.seconds)
    return model


def _write_model(context: JobContext, model: Model, rows: Channel) -> Model:
    """Write the model and the assignments; return the model, with exact figures if all rows were assigned."""
    # The model comes first: the machine may be taken away while the rows are assigned.
    files = outputs.write_model(context, model, rows.coordinates)
    exact = exact_figures.write_assignments(context, model, rows)
    if exact is not model:
        outputs.update_model(context, exact, rows.coordinates, files)
    return exact


def _test(context: JobContext, model: Model, coordinates: Coordinates) -> Score | None:
    """Score the model on the test channel, if there is one, and log its metrics."""
    job = context.configuration
    if "test" not in job.channels:
        LOGGER.info("Test data is not provided.")
        return None
    context.progress.stage = "scoring the test channel"
    tested = _test_score(context, model, coordinates)
    for metric in job.hyperparameters.eval_metrics if tested else ():
        log_quality(job.place.name, "test", metric, getattr(tested, metric))
    return tested


def _test_score(context: JobContext, model: Model, coordinates: Coordinates) -> Score | None:
    """Score the model on all rows of the test channel, of which each host reads its part; None if it was stopped."""
    job, communicator, threads, stop = context.configuration, context.communicator, context.threads, context.stop
    reading = Reading(job.place, threaded=threads.count > 1, threads=threads.count, stop=stop)
    test, chosen = job.channels["test"], job.hyperparameters
    # By name, in whatever order the columns are.
    columns = context.names_in_data.columns if test.has_names else ()
    selection = Selection(columns, weight=chosen.weight_column)
    form = RecordForm.of(test, chosen.feature_dim, selection, chosen.missing)
    source = Channel(test, form, chosen.mini_batch_size, reading, coordinates=coordinates)
    assigner = context.engine(model.state.shift).assigner(model.centers.astype(np.float64))
    # A host that stops still takes part in the sum, since the others wait for it.
    blocks = takewhile(lambda _: not stop.requested(), source.blocks())
    found = score(blocks, assigner, communicator)
    if any_host(stop.requested(), communicator):
        LOGGER.warning("Stopped by %s: the test channel was not scored.", stop.cause or "SIGTERM")
        return None
    if not found.rows:
        raise source.no_records()
    return found


def _log_configuration(job: JobConfiguration) -> None:
    LOGGER.info(
        "Merging with provided configuration from %s: %s",
        job.paths.config / "hyperparameters.json",
        dict(job.raw_hyperparameters),
    )
    LOGGER.info("Final configuration: %s", job.all_hyperparameters)
    for name in job.hyperparameters.without_effect:
        LOGGER.warning("Hyperparameter %s has no effect here.", name)
    train = job.channels["train"]
    LOGGER.info("Loaded iterator creator %s for content type ('%s', '1.0')", train.content_type, train.content_type)


def _log_setup(job: JobConfiguration, chosen: TrainingSettings) -> None:
    LOGGER.info("Checkpoint loading and saving are %s.", "enabled" if job.paths.checkpoints.is_dir() else "disabled")
    LOGGER.info("Setting up with params: %s", job.all_hyperparameters)
    LOGGER.info("seed %d, %d threads, numpy %s", job.hyperparameters.seed, cpu_count(), np.__version__)
    log_evaluated(job.hyperparameters, chosen)


def _log_train_quality(context: JobContext, model: Model) -> None:
    host = context.configuration.place.name
    weighted = bool(context.configuration.hyperparameters.weight_column)
    if weighted:
        LOGGER.info("the rows have weights, which add up to %.10g", model.score.weight)
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
    if "ssd" in context.configuration.hyperparameters.eval_metrics:
        log_quality(host, "train", "ssd", model.score.msd * model.score.weight)
    sizes = [float(f"{size:.6g}") if weighted else int(size) for size in model.score.cluster_sizes]
    if len(sizes) <= MAX_LOGGED_SIZES:
        LOGGER.info("cluster sizes in these rows: %s", sizes)
    else:
        LOGGER.info(
            "cluster sizes in these rows: %.10g to %.10g, see %s", min(sizes), max(sizes), artifacts.DESCRIPTION
        )
