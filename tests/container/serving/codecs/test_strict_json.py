"""JSON documents of any length."""

import tracemalloc
from contextlib import nullcontext

import pytest

from container.formats.errors import FormatError
from container.serving.codecs import CODECS
from tests.container.serving.wire import JSON


def peak_of_reading(content_type: str, body: bytes, fault: str = "") -> int:
    """Return how many bytes of objects a body of rows of three takes at most while it is read."""
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=fault) if fault else nullcontext():
            for _ in CODECS[content_type].decode(iter([body]), 3):
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("end", "fault"), [(b"", "got the end at line 1"), (b", x]", "got 'x]' at line 1"), (b"] x", "got 'x' at line 1")]
)
def test_a_document_with_a_fault_at_its_end_takes_no_more_memory_than_a_good_one(end: bytes, fault: str) -> None:
    document = b'[{"id": 0, "features": [0, 0, 0]}' + b', {"id": 0, "features": [0, 0, 0]}' * 20_000
    assert peak_of_reading(JSON, document + end, fault) < 1.5 * peak_of_reading(JSON, document + b"]")
