"""The GPU that a job computes on, if `_num_gpus` asks for one, there is one, and it has enough to do."""

from typing import TYPE_CHECKING

from container.logs.logger import LOGGER
from container.resources import gpu_count
from kmeans.assignment.engine import pays_on_gpu
from kmeans.communicator import Communicator, any_host
from kmeans.settings import TrainingSettings

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu


def open_gpu(wanted: int | None, settings: TrainingSettings, communicator: Communicator) -> "Gpu | None":
    """Return the GPU of this host if the job is to use it, and log so; all hosts use one, or none does.

    Parameters
    ----------
    wanted : int or None
        The value of `_num_gpus`; None for `auto`.
    settings : TrainingSettings
        What to train.
    communicator : Communicator
        The hosts, which call this together.
    """
    gpu = _chosen(wanted, settings, communicator)
    LOGGER.info("Number of GPUs being used: %d", gpu is not None)
    return gpu


def _chosen(wanted: int | None, settings: TrainingSettings, communicator: Communicator) -> "Gpu | None":
    if wanted == 0:
        return None
    available = gpu_count()
    if not available:
        if wanted:
            LOGGER.warning("Expected %d GPUs by _num_gpus, found none that this image can use.", wanted)
        return None
    if not pays_on_gpu(settings.n_centers, settings.n_features):
        LOGGER.info("There is a GPU, but with so few centers and features the job is faster without it.")
        return None
    if max(wanted or 1, available) > 1:
        LOGGER.warning("Only one GPU of each host is used; there are %d.", available)
    gpu = _opened()
    return None if any_host(gpu is None, communicator) else gpu


def _opened() -> "Gpu | None":
    """Return the GPU; None if it cannot be used, after a warning with the reason."""
    try:
        from kmeans.gpu.device import Gpu

        gpu = Gpu()
    except Exception as error:  # Whatever it is, the CPU can do the work.
        reason = " ".join(str(error).split()) or type(error).__name__
        LOGGER.warning("The GPU cannot be used, the job runs on the CPU: %s", reason)
        return None
    LOGGER.info("GPU: %s", gpu.name)
    return gpu
