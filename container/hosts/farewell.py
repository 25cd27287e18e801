"""What a host does that fails before it has met all others: it tells them, since they would wait for it."""

import asyncio
import signal
from contextlib import closing, suppress
from pathlib import Path

from container.configuration.files import place_of
from container.errors import JobError
from container.hosts import mpiexec
from container.hosts.greeting import Greeting
from container.hosts.limits import TELL_SECONDS, TELL_STOPPED_SECONDS
from container.hosts.meeting import Meeting
from container.hosts.network import address_of, interface_of
from container.hosts.place import HostPlace
from container.stopping import Stop, ignore_signals


def tell(resources: Path, error: JobError, told: set[str], stop: Stop) -> None:
    """Tell the other hosts of a job that it has failed on this one.

    Hosts that don't come within `TELL_SECONDS` are not told; a signal ends this too.

    Parameters
    ----------
    resources : Path
        The file ``resourceconfig.json``.
    error : JobError
        Why the job has failed.
    told : set of str
        The hosts that know.
    stop : Stop
        Whether the job was told to stop.
    """
    with suppress(JobError):  # Without the names of the hosts, none can be told.
        place, interface = place_of(resources)
        untold = set(place.others) - told
        if untold:
            seconds = TELL_STOPPED_SECONDS if stop.requested() else TELL_SECONDS
            asyncio.run(_tell(place, _address(place.name, interface), error, untold, seconds))
            ignore_signals()


def _address(host: str, interface: str) -> str:
    try:
        return address_of(host, interface_of(interface))
    except JobError:
        # Which is why the job has failed.
        return ""


async def _tell(place: HostPlace, address: str, error: JobError, untold: set[str], seconds: float) -> None:
    def met(_greeting: Greeting, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    greeting = Greeting(place.name, {}, error)
    with closing(Meeting(place, mpiexec.control_port() + 1, address, greeting, met, untold)) as meeting:
        # Another program may have the port, which is why the job has failed.
        with suppress(JobError):
            await meeting.listen()
        telling = asyncio.create_task(meeting.meet(untold, seconds, "the job has failed; telling the hosts"))
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, telling.cancel)
        with suppress(JobError, asyncio.CancelledError):
            await telling
