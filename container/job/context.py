"""What the stages of a training job share on one of its hosts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from container.configuration.files import JobConfiguration
from container.job.feature_names import FeatureNames
from container.job.given_model import GivenModel
from container.logs.progress import Progress
from container.stopping import Stop
from kmeans.assignment.engine import Engine
from kmeans.communicator import Communicator
from kmeans.threads import Threads
from kmeans.types import FloatArray

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the stages of a training job share on one of its hosts.

    Attributes
    ----------
    configuration : JobConfiguration
        The configuration of the job on this host.
    communicator : Communicator
        The hosts of the job; their ranks are those of the configuration.
    threads : Threads
        The threads of this host.
    gpu : Gpu or None
        The GPU of this host, if the job uses it.
    stop : Stop
        Whether the job is to end early.
    progress : Progress
        Logs the stages of the job and counts its events.
    began : float
        Start of the job, in seconds since 1970.
    names_in_data : FeatureNames
        The names of the features in the training data.
    kept : GivenModel or None
        The model that the job keeps, if it has no epochs.
    """

    configuration: JobConfiguration
    communicator: Communicator
    threads: Threads
    gpu: "Gpu | None"
    stop: Stop
    progress: Progress
    began: float
    names_in_data: FeatureNames
    kept: GivenModel | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features, as given, as in the training data or as in a kept model; empty if none has any."""
        kept = self.kept.feature_names if self.kept else ()
        return self.configuration.hyperparameters.feature_names or self.names_in_data.features or kept

    def engine(self, shift: FloatArray) -> Engine:
        """Return an engine for rows with the given usual values, float32 (d,)."""
        return Engine(self.threads, shift, self.gpu)
