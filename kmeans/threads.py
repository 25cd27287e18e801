"""A pool of threads over which a step's row blocks and column slices are spread.

Work is cut by the shape of the data alone, never by the number of threads, so that results do not depend on it. BLAS is
to run with one thread: each block is a product of its own.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="kmeans") if count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply `function` to every item; the results are in the order of the items."""
        work = list(items)
        if self._pool is None or len(work) < 2:
            return [function(item) for item in work]
        return list(self._pool.map(function, work))

    def close(self) -> None:
        """End the threads; running work is finished first."""
        if self._pool is not None:
            self._pool.shutdown()
