"""The entry point of `train`: a job on one host or on many, from its configuration to its exit code."""

import math
import os
import time
from collections.abc import Callable

from container.configuration import files as configuration
from container.configuration import hyperparameters
from container.configuration.files import JobConfiguration, Paths
from container.errors import AlgorithmError, CustomerError
from container.hosts.launcher_link import SOCKET_VARIABLE, LauncherLink
from container.hosts.messages import Stage
from container.job import failure
from container.logs import logger
from container.logs.logger import LOGGER
from container.stopping import GRACE_SECONDS, Stop

# How long a job may look for a better model after it was asked to stop, in seconds.
GRACE_VARIABLE = "SAGEMAKER_KMEANS_GRACE_SECONDS"


def main(stop: Stop) -> int:
    """Run the job in the folder `SAGEMAKER_BASE_DIR`, until `stop` is requested; return the exit code."""
    began = time.time()
    logger.set_up()
    paths = Paths.from_environment()
    launcher = os.environ.get(SOCKET_VARIABLE)
    if launcher:
        return _work(paths, launcher, stop, began)
    # The other hosts that need not be told if the job fails on this one.
    told: set[str] = set()
    with failure.reported(paths.failure) as outcome:
        LOGGER.info("Reading default configuration from %s: %s", hyperparameters.__file__, hyperparameters.defaults())
        job = _load(paths, stop)
        if job.place.count == 1:
            # Imported here: it takes a second, and a launcher does not need it. A missing package is reported as any
            # other failure.
            from container.job import training
            from kmeans.communicator import SingleHost

            training.run(job, SingleHost(), stop, began)
        else:
            from container.hosts import launcher as launchers

            launchers.run(job, stop, told)
    logger.flush()
    if outcome.error is not None:
        from container.hosts import farewell

        farewell.tell(paths.resources, outcome.error, told, stop)
    return outcome.exit_code


def _load(paths: Paths, stop: Stop) -> JobConfiguration:
    job = configuration.load(paths)
    stop.grace_seconds = _grace_seconds()
    logger.set_level(job.hyperparameters.log_level)
    return job


def _grace_seconds() -> float:
    """Return how long a job may look for a better model after it was asked to stop."""
    given = os.environ.get(GRACE_VARIABLE) or f"{GRACE_SECONDS}"
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds < math.inf:
        raise CustomerError(f"{GRACE_VARIABLE}: expected seconds, 0 or more, got {given!r}")
    return seconds


def _work(paths: Paths, launcher: str, stop: Stop, began: float) -> int:
    """Run this host's part of a job of several hosts, and report its outcome to the launcher."""
    from kmeans.communicator import AbortedError

    with LauncherLink(launcher, stop) as link:
        try:
            finalize = _train_among_hosts(_load(paths, stop), link, stop, began)
        except AbortedError as error:
            link.lost(str(error))
        except Exception as exception:
            failed = failure.job_error(exception)
            link.failed(failed.exit_code, failed.message)
        else:
            link.ended()
            finalize()
            logger.flush()
            return 0
        # To leave MPI would wait for hosts that wait for this one; their launchers end those.
        logger.flush()
        os._exit(1)


def _train_among_hosts(job: JobConfiguration, link: LauncherLink, stop: Stop, began: float) -> Callable[[], None]:
    """Train as one of the hosts; return a function to call when all hosts have ended."""
    from container.job import training

    link.reach(Stage.JOINING)
    from container.hosts.mpi import MPICommunicator

    hosts = MPICommunicator()
    link.stuck = hosts.stuck
    link.reach(Stage.TRAINING)
    if hosts.rank != job.place.rank:
        raise AlgorithmError(f"Expected the rank of {job.place.name} among {job.place.hosts}, got {hosts.rank}")
    training.run(job, hosts, stop, began)
    LOGGER.info(
        "communication took %.3f seconds, %.3f of them in steps, %d bytes sent",
        hosts.seconds,
        hosts.seconds_in_steps,
        hosts.bytes_sent,
    )
    return hosts.finalize
