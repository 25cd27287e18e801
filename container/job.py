"""A training job from outside: where SageMaker has laid it down, on one host or on many, and how it ends."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from container import configuration, failure, hyperparameters, logs
from container.configuration import JobConfiguration, Paths
from container.errors import AlgorithmError
from container.hosts.worker import SOCKET_VARIABLE, LauncherLink
from container.logs import LOGGER


def main() -> int:
    """Run the job that `SAGEMAKER_BASE_DIR` holds; give the exit code."""
    began = time.time()
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    logs.set_up()
    paths = Paths.from_environment()
    launcher = os.environ.get(SOCKET_VARIABLE)
    if launcher:
        return _work(paths, launcher, stopping, began)
    with failure.reported(paths.failure) as outcome:
        LOGGER.info("Reading default configuration from %s: %s", hyperparameters.__file__, hyperparameters.defaults())
        job = _load(paths)
        if len(job.hosts) == 1:
            # Only here: importing it takes a second, and a launcher does not need it. Packages that are missing are
            # told as any other failure.
            from container import training
            from kmeans.communicator import SingleHost

            training.run(job, SingleHost(), stopping, began)
        else:
            from container.hosts import launcher as launchers

            launchers.run(job, stopping)
    logs.flush()
    return outcome.exit_code


def _load(paths: Paths) -> JobConfiguration:
    job = configuration.load(paths)
    logs.set_level(job.hyperparameters.log_level)
    return job


def _work(paths: Paths, launcher: str, stopping: threading.Event, began: float) -> int:
    """Run this host's part of a job of several hosts, and tell the launcher how it ends."""
    from kmeans.communicator import AbortedError

    link = LauncherLink(launcher, stopping)
    try:
        finalize = _train_among_hosts(_load(paths), stopping, began)
    except AbortedError as error:
        link.lost(str(error))
    except Exception as exception:
        failed = failure.job_error(exception)
        link.failed(failed.exit_code, failed.message)
    else:
        link.ended()
        finalize()
        logs.flush()
        return 0
    # Whoever waits for this host is ended by its launcher; leaving MPI would wait for them.
    logs.flush()
    os._exit(1)


def _train_among_hosts(job: JobConfiguration, stopping: threading.Event, began: float) -> Callable[[], None]:
    """Train as one of the hosts; give what is to be called when all hosts have ended."""
    from container import training
    from container.hosts.mpi import MPIHosts

    hosts = MPIHosts()
    if job.hosts[hosts.rank] != job.current_host:
        raise AlgorithmError(f"Expected the rank of {job.current_host} among {job.hosts}, got {hosts.rank}")
    training.run(job, hosts, stopping, began)
    LOGGER.info(
        "communication took %.3f seconds, %.3f of them in steps, %d bytes sent",
        hosts.seconds,
        hosts.seconds_in_steps,
        hosts.bytes_sent,
    )
    return hosts.finalize
