"""Parts of a text, cut anew so that each is whole lines."""

from collections.abc import Iterable, Iterator


def whole_lines(parts: Iterable[bytes], blank: bytes = b"\r\n") -> Iterator[bytes]:
    """Cut a text at ends of lines.

    Parameters
    ----------
    parts : iterable of bytes
        The text, cut anywhere.
    blank : bytes
        What empty lines at the end may be made of.

    Yields
    ------
    bytes
        Lines, of which the last one is not empty, without its end. Empty lines that end the text are left out, those
        before a line are not. An empty text gives nothing.
    """
    left = bytearray()
    for part in parts:
        left += part
        end = left.rfind(b"\n") + 1
        # Whether the empty lines at the end are amid the text is not known yet.
        lines = bytes(memoryview(left)[:end]).rstrip(blank)
        if lines:
            yield lines
            del left[: left.index(b"\n", len(lines)) + 1]
    if last := bytes(left).rstrip(blank):
        yield last
