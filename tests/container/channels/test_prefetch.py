"""Reading ahead of what is asked for."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from container.channels.prefetch import MAX_BYTES, MAX_GROUPS, MAX_TOGETHER, MIN_GROUPS, prefetched
from kmeans.packed_rows import PackedRows
from kmeans.types import FloatArray
from tests.container.channels.packed import Take, with_packed_rows

MOST_BUFFERS = MAX_GROUPS * MAX_TOGETHER


def new_buffer() -> FloatArray:
    return np.empty((3, 1), np.float32)


def numbered(n: int, filled: list[int]) -> Callable[[Take], Iterator[tuple[FloatArray, int]]]:
    """Fill n buffers with their numbers; `filled` counts them."""

    def fill(take: Take) -> Iterator[tuple[FloatArray, int]]:
        for number in range(n):
            buffer = take()
            buffer[:] = number
            filled.append(number)
            yield buffer, 1 + number % 3

    return fill


def test_blocks_keep_order_and_rows() -> None:
    blocks = [block[:, 0].tolist() for block in prefetched(numbered(100, []), new_buffer, waits=False)]
    assert blocks == [[number] * (1 + number % 3) for number in range(100)]


def test_the_next_block_is_filled_while_one_is_held() -> None:
    ahead = threading.Event()

    def fill(take: Take) -> Iterator[tuple[FloatArray, int]]:
        for number in range(2):
            buffer = take()
            if number:
                ahead.set()
            yield buffer, 1

    blocks = prefetched(fill, new_buffer, waits=False)
    next(blocks)
    assert ahead.wait(20)
    assert sum(map(len, blocks)) == 1


@pytest.mark.parametrize(("columns", "buffers"), [(1, MOST_BUFFERS), (MAX_BYTES // (2 * 4 * 3), MIN_GROUPS)])
def test_no_more_are_filled_than_there_are_buffers(columns: int, buffers: int) -> None:
    filled: list[int] = []
    made: list[FloatArray] = []

    def make() -> FloatArray:
        made.append(np.empty((3, columns), np.float32))
        return made[-1]

    blocks = prefetched(numbered(50, filled), make, waits=False)
    for number, block in enumerate(blocks):
        assert block[0, 0] == number
        assert len(filled) <= number + buffers
    assert len(made) == buffers


def test_a_block_of_a_source_that_may_be_silent_arrives_at_once() -> None:
    goes_on = threading.Event()

    def fill(take: Take) -> Iterator[tuple[FloatArray, int]]:
        yield take(), 1
        take()
        assert goes_on.wait(20)

    blocks = prefetched(fill, new_buffer, waits=True)
    assert len(next(blocks)) == 1
    goes_on.set()
    assert not list(blocks)


def test_an_error_follows_the_blocks_before_it() -> None:
    def fill(take: Take) -> Iterator[tuple[FloatArray, int]]:
        yield take(), 2
        raise ValueError("torn")

    blocks = prefetched(fill, new_buffer, waits=False)
    assert len(next(blocks)) == 2
    with pytest.raises(ValueError, match="torn"):
        next(blocks)


def test_an_abandoned_reader_ends() -> None:
    before = set(threading.enumerate())
    filled: list[int] = []
    blocks = prefetched(numbered(1000, filled), new_buffer, waits=False)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined] # blocks are a generator
    assert set(threading.enumerate()) <= before
    assert len(filled) <= MOST_BUFFERS + 1


def test_nothing_is_read_while_packed_rows_are_taken() -> None:
    packed, taken, fill = with_packed_rows()
    blocks = prefetched(fill, new_buffer, waits=False)
    assert len(np.asarray(next(blocks))) == 1
    assert next(blocks) is packed
    packed.take(3)
    assert len(np.asarray(next(blocks))) == 2
    assert taken == [3]
    assert not list(blocks)


def test_a_thread_ends_where_packed_rows_are_abandoned() -> None:
    def fill(_: Take) -> Iterator[PackedRows]:
        yield PackedRows.of_file(5, 7, 0, 40, b"0123456789abcdef", 2)
        raise AssertionError("read on")

    blocks = prefetched(fill, new_buffer, waits=False)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]  # it is a generator
    assert "reader" not in [thread.name for thread in threading.enumerate()]
