"""A pool of threads over which a step's row blocks and column slices are spread.

Work is cut by the shape of the data alone, never by the number of threads, so that results do not depend on it. BLAS is
to run with one thread: each block is a product of its own.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """A fixed number of threads.

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
            # A thread that has not begun by now would find nothing left.
            others = [other for other in others if not other.cancel()]
            wait(others)
        for other in others:
            other.result()
        return [results[number] for number in range(len(work))]

    def close(self) -> None:
        """End the threads; running work is finished first."""
        if self._pool is not None:
            self._pool.shutdown()
