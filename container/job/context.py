"""What the stages of a training job share on one of its hosts."""

from dataclasses import dataclass

from container.configuration.files import JobConfiguration
from container.logs.progress import Progress
from container.stopping import Stop
from kmeans.communicator import Communicator
from kmeans.threads import Threads


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the stages of a training job share on one of its hosts.

    Parameters
    ----------
    configuration : JobConfiguration
        The configuration of the job on this host.
    communicator : Communicator
        The hosts of the job; their ranks are those of the configuration.
    threads : Threads
        The threads of this host.
    stop : Stop
        Whether the job is to end early.
    progress : Progress
        Logs the stages of the job and counts its events.
    began : float
        Start of the job, in seconds since 1970.
    """

    configuration: JobConfiguration
    communicator: Communicator
    threads: Threads
    stop: Stop
    progress: Progress
    began: float
