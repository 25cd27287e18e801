"""Threads that decode pieces of a stream next to the one that reads it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

# More would wait for the one that reads: copying a file takes a fifth of the time that decoding it takes.
MAX_THREADS: Final = 8

Result = TypeVar("Result")


class Team:
    """Threads that help the one that reads.

    They start when they are first needed, with the priority of the one that reads, and end when the team is deleted.

    Parameters
    ----------
    count : int
        How many threads work at once, including the one that reads; at least 2. No more than `MAX_THREADS` do.
    """

    def __init__(self, count: int) -> None:
        self.count = min(count, MAX_THREADS)
        self.pool = ThreadPoolExecutor(self.count - 1, thread_name_prefix="decoder")


class Tasks(Generic[Result]):
    """Work that a team does together, in any order; at the end of the context all of it is done or cancelled.

    Parameters
    ----------
    team : Team
        Who does it.
    """

    def __init__(self, team: Team) -> None:
        self._team = team
        self._tasks: list[tuple[Callable[[], Result], Future[Result]]] = []
        self._turned = 0

    def add(self, task: Callable[[], Result], *, here: bool) -> None:
        """Add a task.

        Parameters
        ----------
        task : callable
            What to do.
        here : bool
            Whether the caller does it at once, as it also does when the others have enough to do.
        """
        # Each of the others has one task, and another one waiting.
        enough = 2 * (self._team.count - 1)
        if here or sum(not future.done() for _, future in self._tasks[-2 * enough :]) >= enough:
            self._tasks.append((task, _done(task)))
        else:
            self._tasks.append((task, self._team.pool.submit(task)))

    def latest(self) -> list[Result]:
        """Return the results of some of the latest tasks, as far as they are done."""
        some = self._tasks[-4 * self._team.count :]
        return [future.result() for _, future in some if future.done()]

    def turn(self) -> None:
        """Wait until all tasks that were added before the last turn are done."""
        wait([future for _, future in self._tasks[: self._turned]])
        self._turned = len(self._tasks)

    def results(self) -> list[Result]:
        """Return the results of the tasks, in their order; the caller does those that nobody has begun."""
        for number, (task, future) in reversed([*enumerate(self._tasks)]):
            if future.cancel():
                self._tasks[number] = task, _done(task)
        return [future.result() for _, future in self._tasks]

    def __enter__(self) -> Self:
        """Return the tasks themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel the tasks that nobody has begun, and wait for the others."""
        wait([future for _, future in self._tasks if not future.cancel()])


def _done(task: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(task())
    return future
