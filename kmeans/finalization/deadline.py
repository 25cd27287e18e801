"""When a job must make do with the best model found so far."""

from collections.abc import Callable

from kmeans.communicator import Communicator, any_host, nothing


class Deadline:
    """The end of the time in which a better model is looked for.

    Each host sees it pass on its own. Work of one host asks `passed`; a decision on which exchanges between the hosts
    depend asks `agreed`.

    Parameters
    ----------
    passed : callable
        Returns whether it has passed, as far as this host knows; once true, it stays so. Called often, by any thread.
    """

    def __init__(self, passed: Callable[[], bool] = nothing) -> None:
        self._passed = passed
        self._agreed = False

    def passed(self) -> bool:
        """Return whether the time is over, as this host sees it."""
        return self._agreed or self._passed()

    def agreed(self, communicator: Communicator) -> bool:
        """Return whether the time is over for any host: the same on all of them, which call this together."""
        self._agreed = self._agreed or any_host(self._passed(), communicator)
        return self._agreed


# The deadline of a job that waits for the best model there is.
NEVER = Deadline()
