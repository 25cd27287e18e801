"""Parts of a text, cut again so that each is whole lines."""

from collections.abc import Iterable, Iterator


def whole_lines(parts: Iterable[bytes], blank: bytes = b"\r\n") -> Iterator[bytes]:
    """Yield a text cut at ends of lines.

    Each byte is looked at a fixed number of times, however the text is cut, and memory holds no more than a part and
    the beginning of a line.

    Parameters
    ----------
    parts : iterable of bytes
        The text, cut anywhere.
    blank : bytes
        The characters that empty lines may have.

    Yields
    ------
    bytes
        Lines, the last of which is not empty and has no end. Empty lines at the end of the text are left out. Others
        are kept, but where they begin a part, only the first one is: it is an error for the decoder. An empty
        text has no parts.
    """
    # The beginning of a line, behind an empty one if there was any, and how far it is not blank.
    left, filled = bytearray(), 0
    for part in parts:
        end = part.rfind(b"\n") + 1
        if end:
            ended = part[:end].rstrip(blank)
            if ended:
                left += ended
                filled = len(left)
            if filled:
                yield bytes(memoryview(left)[:filled])
            # Whether more text follows the empty lines at the end is not known yet.
            more = not filled or part.find(b"\n", len(ended)) + 1 < end
            left, filled = bytearray(b"\n" if more else b""), 0
        rest = part[end:]
        if content := len(rest.rstrip(blank)):
            filled = len(left) + content
        left += rest
    if filled:
        yield bytes(memoryview(left)[:filled])
