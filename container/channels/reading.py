"""How a host reads a channel, and how far it has come."""

from dataclasses import dataclass, field

from container.hosts.place import ALONE, HostPlace
from container.stopping import Stop


@dataclass(frozen=True)
class Reading:
    """How a host reads a channel.

    Attributes
    ----------
    place : HostPlace
        This host's place among those of the job. Hosts that all have the same data divide the mini-batches: each takes
        one in turn. If there are several hosts, this one may have no record.
    needed_rows : int
        The number of rows of files that are read in any case, since there is no model without them.
    fifo_timeout_seconds : float
        How long to wait for a FIFO to appear in Pipe mode.
    threaded : bool
        Whether a thread reads ahead. Without it, local files are read when their rows are asked for, and in
        `Channel.read_ahead`; pipes and FastFile mode have a thread in any case.
    threads : int
        The number of threads that decode CSV side by side if there are enough rows: the one that reads, and others that
        help it.
    stop : Stop
        Once the job is to stop, a silent pipe is not waited for. Once that is overdue, there are no more blocks, but
        for the rows of the very first block that have already come.
    """

    place: HostPlace = ALONE
    needed_rows: int = 0
    fifo_timeout_seconds: float = 900.0
    threaded: bool = True
    threads: int = 1
    stop: Stop = field(default_factory=Stop)


@dataclass
class Position:
    """How far a host has come with a channel.

    Attributes
    ----------
    passes : int
        Passes begun.
    records_read, bytes_read : int
        Those of the latest pass, so far.
    needed_rows : int
        The number of rows that are read in this pass even if the job is to stop.
    """

    passes: int = 0
    records_read: int = 0
    bytes_read: int = 0
    needed_rows: int = 0
