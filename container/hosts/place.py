"""The place of a host among the hosts of a job."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HostPlace:
    """The place of a host among the hosts of a job.

    Attributes
    ----------
    rank : int
        The index of this host in `hosts`.
    hosts : tuple of str
        The names of all hosts, in sorted order.
    """

    rank: int = 0
    hosts: tuple[str, ...] = ("algo-1",)

    @property
    def name(self) -> str:
        """Name of this host."""
        return self.hosts[self.rank]

    @property
    def count(self) -> int:
        """Number of hosts."""
        return len(self.hosts)

    @property
    def others(self) -> tuple[str, ...]:
        """Names of all other hosts."""
        return self.hosts[: self.rank] + self.hosts[self.rank + 1 :]

    @property
    def leader(self) -> str:
        """Name of the host that writes the model: the first one."""
        return self.hosts[0]

    @property
    def leads(self) -> bool:
        """Whether this host is the leader."""
        return self.rank == 0


# The place of the only host of a job.
ALONE: Final = HostPlace()
