import io

import pytest

from container.channels.window import Window
from container.formats.errors import FormatError


class Drop(io.BytesIO):
    """Return one byte at a time, as a slow pipe may."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # narrower than any buffer
        return super().readinto(buffer[:1])


def test_it_slides_over_the_stream() -> None:
    window = Window(io.BytesIO(b"abcdefghij"), 4)
    assert bytes(window.content) == b""
    assert window.fill()
    assert bytes(window.content) == b"abcd"
    window.begin += 3
    assert window.fill()
    assert bytes(window.content) == b"defg"
    assert window.fill()
    assert bytes(window.content) == b"defghij"
    assert not window.fill()
    assert bytes(window.content) == b"defghij"
    assert window.bytes_read == 10


def test_it_gives_what_a_slow_stream_has() -> None:
    window = Window(Drop(b"abcdefghij"), 4)
    for content in (b"a", b"ab", b"abc"):
        assert window.fill()
        assert bytes(window.content) == content
    window.begin += 2
    assert window.fill()
    assert bytes(window.content) == b"cd"


def test_it_looks_seldom_at_a_long_record() -> None:
    window = Window(Drop(b"abcdefghij"), 2)
    contents = []
    while window.fill():
        contents.append(bytes(window.content))
    assert contents == [b"a", b"ab", b"abcd", b"abcdefgh", b"abcdefghij"]
    assert window.bytes_read == 10


def test_what_came_through_a_slow_pipe_waits_for_no_more() -> None:
    window = Window(Drop(b"abcdef"), 4)
    assert window.fill()
    assert bytes(window.content) == b"a"
    assert window.fill()
    assert bytes(window.content) == b"ab"
    window.begin += 1
    while window.fill():
        pass
    assert bytes(window.content) == b"bcdef"
    assert window.bytes_read == 6


def test_it_grows_only_with_the_bytes_that_arrive() -> None:
    window = Window(io.BytesIO(bytes(100)), 4)
    while window.fill():
        assert len(window.buffer) <= max(4, 2 * window.bytes_read)
    assert len(window.buffer) == 128


def test_it_reads_on_while_others_look_at_what_is_there() -> None:
    window = Window(io.BytesIO(b"abcdefghij"), 8, asked=3)
    assert window.fill()
    window.extend()
    first = window.buffer
    assert (bytes(window.content), window.room, window.short) == (b"abcdef", 2, False)
    window.begin = 4
    window.turn()
    window.extend()
    assert (bytes(window.content), window.short) == (b"efghi", False)
    assert bytes(first[:6]) == b"abcdef"
    window.begin = 5
    window.turn()
    assert window.buffer is first
    window.extend()
    assert (bytes(window.content), window.short, window.bytes_read) == (b"j", True, 10)


def test_its_growth_is_bounded() -> None:
    window = Window(io.BytesIO(bytes(100)), 4, max_size=10)
    assert [window.fill() for _ in range(3)] == [True, True, True]
    with pytest.raises(FormatError, match="expected a record of fewer than 10 bytes, got a longer one"):
        window.fill()
