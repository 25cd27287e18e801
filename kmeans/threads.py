"""A pool of threads over which pieces of work are spread.

Results must not depend on how many threads there are: what is done with a piece depends on it alone, and what is summed
over pieces is summed in their order.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Semaphore
from types import TracebackType
from typing import Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """A fixed number of threads, which end with the block that it is the context of.

    Parameters
    ----------
    count
        How many pieces of work run at once; 1 runs everything in the caller's thread.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        # The caller's thread works too.
        self._pool = ThreadPoolExecutor(count - 1, thread_name_prefix="kmeans") if count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply `function` to every item; the results are in the order of the items."""
        work = list(items)
        if self._pool is None or len(work) < 2:
            return [function(item) for item in work]
        results: dict[int, Result] = {}
        # Whoever is free takes the next item; taking one is a single step of the interpreter.
        numbers = iter(range(len(work)))

        def run() -> None:
            for number in numbers:
                results[number] = function(work[number])

        others = [self._pool.submit(run) for _ in range(min(self.count, len(work)) - 1)]
        try:
            run()
        finally:
            # After an error nobody takes another item.
            for _ in numbers:
                pass
            # A thread that has not begun by now would find nothing left.
            others = [other for other in others if not other.cancel()]
            wait(others)
        for other in others:
            other.result()
        return [results[number] for number in range(len(work))]

    def begin(self, function: Callable[[int], object]) -> Callable[[], None]:
        """Call `function` with the numbers 1, 2, ... in the other threads, and return at once.

        What is returned calls it with 0 in the caller's thread, and waits for the others.
        """
        begun = Semaphore(0)

        def run(number: int) -> None:
            begun.release()
            function(number)

        others = [self._pool.submit(run, number) for number in range(1, self.count)] if self._pool else []
        # As long as this thread has the interpreter for itself, none of the others begins.
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
        """End the threads, whatever has happened."""
        self.close()

    def close(self) -> None:
        """End the threads; running work is finished first."""
        if self._pool is not None:
            self._pool.shutdown()
