"""Reading without a thread, in moments in which there is time."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from container.channels.interleaved import MAX_AHEAD, Interleaved
from container.channels.prefetch import MAX_BYTES
from kmeans.types import FloatArray
from tests.container.channels.packed import Take, with_packed_rows


def new_buffer() -> FloatArray:
    return np.empty((3, 1), np.float32)


def numbered(n: int, pauses: int = 0) -> Callable[[Take], Iterator[tuple[FloatArray, int] | None]]:
    """Fill n buffers with their numbers, with pauses in the middle of each."""

    def fill(take: Take) -> Iterator[tuple[FloatArray, int] | None]:
        for number in range(n):
            buffer = take()
            buffer[:] = number
            for _ in range(pauses):
                yield None
            yield buffer, 1 + number % 3

    return fill


@pytest.mark.parametrize("pauses", [0, 2])
@pytest.mark.parametrize("moments", [0, 1, 2, 100])
def test_blocks_keep_order_and_rows_however_often_there_is_time(moments: int, pauses: int) -> None:
    blocks = Interleaved(numbered(30, pauses), new_buffer)
    got = []
    for block in blocks:
        for _ in range(moments):
            blocks.read_ahead()
        got.append(np.asarray(block)[:, 0].tolist())
    assert got == [[number] * (1 + number % 3) for number in range(30)]
    assert not blocks.read_ahead()


@pytest.mark.parametrize(("columns", "ahead"), [(1, MAX_AHEAD), (MAX_BYTES // (3 * 4 * 3), 2), (MAX_BYTES // 12, 1)])
def test_blocks_are_read_ahead_while_there_is_room(columns: int, ahead: int) -> None:
    blocks = Interleaved(numbered(50), lambda: np.empty((3, columns), np.float32))
    next(blocks)
    assert [blocks.read_ahead() for _ in range(ahead + 1)] == [True] * (ahead - 1) + [False, False]


def test_a_block_that_was_begun_continues_without_room_for_another() -> None:
    blocks = Interleaved(numbered(50, pauses=1), new_buffer)
    next(blocks)
    assert [blocks.read_ahead() for _ in range(2 * MAX_AHEAD + 1)] == [True] * (2 * MAX_AHEAD - 1) + [False, False]


def test_what_was_used_last_is_used_again() -> None:
    blocks = Interleaved(numbered(50), new_buffer)
    assert len({np.asarray(block).ctypes.data for block in blocks}) == 1


def test_an_error_follows_the_blocks_before_it() -> None:
    def fill(take: Take) -> Iterator[tuple[FloatArray, int]]:
        yield take(), 1
        yield take(), 2
        raise ValueError("torn")

    blocks = Interleaved(fill, new_buffer)
    assert len(np.asarray(next(blocks))) == 1
    while blocks.read_ahead():
        pass
    assert len(np.asarray(next(blocks))) == 2
    with pytest.raises(ValueError, match="torn"):
        next(blocks)


def test_nothing_is_read_while_packed_rows_are_taken() -> None:
    packed, taken, fill = with_packed_rows()
    blocks = Interleaved(fill, new_buffer)
    assert len(np.asarray(next(blocks))) == 1
    while blocks.read_ahead():
        pass
    assert next(blocks) is packed
    assert not blocks.read_ahead()
    packed.take(3)
    assert len(np.asarray(next(blocks))) == 2
    assert taken == [3]
    assert not list(blocks)
