"""How a host reads a channel, and how far it has come."""

from dataclasses import dataclass

from container.hosts.place import ALONE, HostPlace


@dataclass(frozen=True)
class Reading:
    """How a host reads a channel.

    Parameters
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
    """

    place: HostPlace = ALONE
    needed_rows: int = 0
    fifo_timeout_seconds: float = 900.0
    threaded: bool = True
    threads: int = 1


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
