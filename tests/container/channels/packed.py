"""A filling of buffers with packed rows between them."""

from collections.abc import Callable, Iterator

from kmeans.packed_rows import PackedRows
from kmeans.types import FloatArray

Take = Callable[[], FloatArray]
Fill = Callable[[Take], Iterator[tuple[FloatArray, int] | PackedRows]]


def with_packed_rows() -> tuple[PackedRows, list[int], Fill]:
    """Return packed rows, what was taken of them when reading went on, and a function that yields them."""
    packed = PackedRows.of_file(5, 7, 0, 40, b"0123456789abcdef", 2)
    taken: list[int] = []

    def fill(take: Take) -> Iterator[tuple[FloatArray, int] | PackedRows]:
        yield take(), 1
        yield packed
        taken.append(packed.taken)
        yield take(), 2

    return packed, taken, fill
