"""How far the workers of a job's hosts are, and whether they still make progress."""

import asyncio
from collections.abc import Iterable

from container.errors import PlatformError
from container.hosts.limits import JOIN_SECONDS, STUCK_SECONDS, WORKER_START_SECONDS
from container.hosts.messages import Stage


class Stages:
    """The stages of the workers of all hosts.

    Parameters
    ----------
    hosts : iterable of str
        The names of the hosts.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._stages = dict.fromkeys(hosts, Stage.STARTING)
        self._reached = {stage: asyncio.Event() for stage in Stage}
        # By host, the number of the exchange that does not end.
        self._stuck: dict[str, int] = {}

    def reach(self, host: str, stage: Stage) -> None:
        """Note that a host has reached a stage; one that leaves knows that all others are done."""
        self._stages[host] = stage
        if stage is Stage.LEAVING:
            self._stages = {each: max(reached, Stage.DONE) for each, reached in self._stages.items()}
        for each, event in self._reached.items():
            if not self.behind(each):
                event.set()

    def behind(self, stage: Stage) -> list[str]:
        """Return the hosts that have not reached a stage."""
        return [host for host, reached in self._stages.items() if reached < stage]

    async def reached(self, stage: Stage) -> None:
        """Wait until all hosts have reached a stage."""
        await self._reached[stage].wait()

    async def start(self) -> None:
        """Wait until the workers of all hosts have started and joined each other.

        Raises
        ------
        PlatformError
            If that takes too long.
        """
        steps = (
            (Stage.JOINING, WORKER_START_SECONDS, "the worker of {} to start"),
            (Stage.TRAINING, JOIN_SECONDS, "MPI to connect {}: hosts must reach each other on all ports"),
        )
        for stage, seconds, what in steps:
            try:
                async with asyncio.timeout(seconds):
                    await self.reached(stage)
            except TimeoutError:
                hosts = ", ".join(self.behind(stage))
                raise PlatformError(f"All hosts waited {seconds:g} seconds for {what.format(hosts)}") from None

    def note_stuck(self, host: str, exchange: int | None) -> bool:
        """Note the number of an exchange that does not end on a host, if there is one; return whether it is new."""
        if self._stuck.get(host) == exchange:
            return False
        self._stuck[host] = exchange or 0
        if exchange is None:
            del self._stuck[host]
        return True

    def standstill(self) -> PlatformError | None:
        """Return an error if every host waits for others in an exchange: none of them delays it by its work."""
        working = set(self.behind(Stage.DONE))
        if not working or working - self._stuck.keys():
            return None
        first = min(self._stuck.values())
        hosts = ", ".join(host for host in self._stages if self._stuck.get(host) == first)
        return PlatformError(
            f"{hosts} waited {STUCK_SECONDS:g} seconds for messages of MPI while no host was at work: "
            "the connections between them are gone"
        )
