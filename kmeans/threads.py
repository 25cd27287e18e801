"""A pool of threads among which pieces of work are divided.

Results must not depend on the number of threads: the result of a piece depends on that piece alone, and sums over
pieces are formed in the order of the pieces.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Semaphore
from types import TracebackType
from typing import Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """A fixed number of threads; a context manager, at whose end they end.

    Parameters
    ----------
    count : int
        How many pieces of work run at once; with 1 everything runs in the caller's thread.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        # The caller's thread works too.
        self._pool = ThreadPoolExecutor(count - 1, thread_name_prefix="kmeans") if count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply `function` to every item, and return the results in the order of the items."""
        work = list(items)
        if self._pool is None or len(work) < 2:
            return [function(item) for item in work]
        results: dict[int, Result] = {}
        # A thread that is free takes the next item; taking one is a single step of the interpreter.
        numbers = iter(range(len(work)))

        def run() -> None:
            for number in numbers:
                results[number] = function(work[number])

        others = [self._pool.submit(run) for _ in range(min(self.count, len(work)) - 1)]
        try:
            run()
        finally:
            # After an error no thread takes another item.
            for _ in numbers:
                pass
            # A thread that has not started yet would find no item left.
            others = [other for other in others if not other.cancel()]
            wait(others)
        for other in others:
            other.result()
        return [results[number] for number in range(len(work))]

    def begin(self, function: Callable[[int], object]) -> Callable[[], None]:
        """Call `function` with the numbers 1, 2, ... in the other threads, and return without waiting for them.

        Returns
        -------
        callable
            Calls `function` with 0 in the caller's thread, and waits for the others.
        """
        begun = Semaphore(0)

        def run(number: int) -> None:
            begun.release()
            function(number)

        others = [self._pool.submit(run, number) for number in range(1, self.count)] if self._pool else []
        # The other threads start only when this one releases the interpreter.
        for _ in others:
            begun.acquire()

        def join() -> None:
            try:
                function(0)
            finally:
                wait(others)
            for other in others:
                other.result()

        return join

    def __enter__(self) -> Self:
        """Return the threads themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the threads, after an error too."""
        self.close()

    def close(self) -> None:
        """End the threads; running work is finished first."""
        if self._pool is not None:
            self._pool.shutdown()


# For work that is itself one of several pieces, each in a thread of its own.
ONE_THREAD = Threads(1)
