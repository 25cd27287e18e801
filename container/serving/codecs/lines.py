"""Parts of a text, cut anew so that each is whole lines."""

from collections.abc import Iterable, Iterator


def whole_lines(parts: Iterable[bytes], blank: bytes = b"\r\n") -> Iterator[bytes]:
    """Cut a text at ends of lines.

    Each byte is looked at a fixed number of times, however the text is cut, and memory holds no more than a part and
    the beginning of a line.

    Parameters
    ----------
    parts : iterable of bytes
        The text, cut anywhere.
    blank : bytes
        What empty lines may be made of.

    Yields
    ------
    bytes
        Lines, of which the last one is not empty, without its end. Empty lines that end the text are left out. Those
        before a line are not, but of those that begin what is yielded there may be only one: the first, and whoever
        reads it has found a fault. An empty text gives nothing.
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
            # Whether the empty lines at the end are amid the text is not known yet.
            more = not filled or part.find(b"\n", len(ended)) + 1 < end
            left, filled = bytearray(b"\n" if more else b""), 0
        rest = part[end:]
        if content := len(rest.rstrip(blank)):
            filled = len(left) + content
        left += rest
    if filled:
        yield bytes(memoryview(left)[:filled])
