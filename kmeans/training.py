"""Trains a model: start from a sample; for each epoch, for each batch, step; finalize; score."""

import math
from typing import TYPE_CHECKING

from kmeans.communicator import Communicator
from kmeans.events import Events
from kmeans.finalization.deadline import Deadline
from kmeans.model import Model
from kmeans.observer import Observer
from kmeans.settings import TrainingSettings
from kmeans.source import RowSource
from kmeans.stream.control import Control
from kmeans.stream.first_centers import GivenCenters
from kmeans.stream.snapshot import RunSnapshot
from kmeans.threads import Threads
from kmeans.trainer import Seeds, Trainer

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu


# One parameter for each thing that a caller may want to give; all but five have defaults.
def fit(
    source: RowSource,
    settings: TrainingSettings,
    communicator: Communicator,
    threads: Threads,
    observer: Observer,
    control: Control | None = None,
    *,
    events: Events | None = None,
    earlier: GivenCenters | None = None,
    snapshot: RunSnapshot | None = None,
    memory_bytes: float = math.inf,
    gpu: "Gpu | None" = None,
) -> Model:
    """Train a model.

    Parameters
    ----------
    source : RowSource
        The rows of this host.
    settings : TrainingSettings
        What to train.
    communicator : Communicator
        The hosts of the job.
    threads : Threads
        The threads of this host.
    observer : Observer
        Called at every stage.
    control : Control or None
        What is asked of the run.
    events : Events or None
        Counts the policies that are applied.
    earlier : GivenCenters or None
        A model whose centers the stream starts from or, with 0 epochs, k centers that the model keeps.
    snapshot : RunSnapshot or None
        Where to resume an interrupted run; the result is as if it had not been interrupted.
    memory_bytes : float
        The memory of this host.
    gpu : Gpu or None
        The GPU of this host, used for work that is worth it.

    Returns
    -------
    Model
        The same on every host.

    Raises
    ------
    NoRowsError
        If no host has a row.
    TooFewDistinctRowsError
        If there are fewer than k distinct rows: before the stream begins, where all rows are known by then.
    NotEnoughMemoryError
        If it is certain that the arrays do not fit.
    AbortedError
        If another host has failed.
    """
    control = control or Control()
    trainer = Trainer(
        source=source,
        settings=settings,
        communicator=communicator,
        threads=threads,
        observer=observer,
        events=events or Events(),
        control=control,
        deadline=Deadline(control.hurrying),
        seeds=Seeds(settings.seed),
        earlier=earlier,
        memory_bytes=memory_bytes,
        gpu=gpu,
    )
    if not settings.epochs:
        if earlier is None or len(earlier.centers) != settings.k:
            raise ValueError("expected k centers to keep with 0 epochs")
        return trainer.kept(earlier)
    return trainer.model_of(trainer.begun() if snapshot is None else trainer.resumed(snapshot))
