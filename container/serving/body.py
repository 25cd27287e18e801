"""The body of a request, whole or refused."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from container.serving.codecs.codec import BLOCK_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def blocks(environ: "WSGIEnvironment", max_bytes: int | None) -> Iterator[bytes]:
    """Read a body in blocks of `BLOCK_BYTES`, chunked or not; the last one is shorter, and ends a whole body.

    Flask's own bound cuts a chunked body off without a word, and neither it nor gunicorn misses the bytes of a client
    that sends fewer than it said: what is left can look like a shorter request.

    Parameters
    ----------
    environ : dict
        The request's; its stream not yet read.
    max_bytes : int or None
        Bound of the body's length, if there is one.

    Yields
    ------
    bytes
        A part of the body.

    Raises
    ------
    RequestEntityTooLarge
        With status 413, if it is longer.
    BadRequest
        With status 400, if it ends early or its chunks are not well formed.
    RequestTimeout
        With status 408, if the client stops sending.
    """
    stated = int(environ["CONTENT_LENGTH"]) if environ.get("CONTENT_LENGTH") else None
    if stated is not None and max_bytes is not None and stated > max_bytes:
        raise RequestEntityTooLarge(f"expected a body of at most {max_bytes} bytes, got {stated}")
    read = _reading(environ)
    total = 0
    while True:
        try:
            block = read(BLOCK_BYTES)
        except BlockingIOError as error:
            raise RequestTimeout(f"expected a whole body, got {total} bytes or a few more, and then none") from error
        except (OSError, ParseException) as error:
            raise BadRequest(f"expected a whole body, got an end or a chunk that is malformed: {error}") from error
        total += len(block)
        if max_bytes is not None and total > max_bytes:
            raise RequestEntityTooLarge(f"expected a body of at most {max_bytes} bytes, got more")
        if len(block) < BLOCK_BYTES:
            if stated is not None and total != stated:
                raise BadRequest(f"expected a body of {stated} bytes, as Content-Length says, got {total}")
            yield block
            return
        yield block


def discard(environ: "WSGIEnvironment", max_bytes: int) -> None:
    """Read what is left of a body and drop it, when a request is refused on the way.

    Gunicorn closes a connection with more than a little unread: a client that is still sending then gets a reset
    instead of the answer.

    Parameters
    ----------
    environ : dict
        The request's.
    max_bytes : int
        Bound of what is read.
    """
    read = _reading(environ)
    with suppress(OSError, ParseException):
        for _ in range(-(-max_bytes // BLOCK_BYTES)):
            if len(read(BLOCK_BYTES)) < BLOCK_BYTES:
                break


def _reading(environ: "WSGIEnvironment") -> Callable[[int], bytes]:
    """Give what reads so many bytes of a body, or all that are left of it.

    Of a stated length they are taken from the socket itself: gunicorn copies them half a dozen times, which takes as
    long as to receive them. Its own count of what is left is kept, for it must know where the next request begins.
    """
    stream = environ["wsgi.input"]
    reader = getattr(stream, "reader", None)
    if not isinstance(reader, LengthReader):
        read: Callable[[int], bytes] = stream.read
        return read

    def receive(size: int) -> bytes:
        parts = []
        # What came with the head; it may go on with another request.
        part = reader.unreader.take_buffered()
        left = min(size, reader.length)
        reader.unreader.unread(part[left:])
        part = part[:left]
        while True:
            parts.append(part)
            reader.length -= len(part)
            left -= len(part)
            if not left:
                break
            part = environ["gunicorn.socket"].recv(left, socket.MSG_WAITALL)
            if not part:
                break
        return b"".join(parts)

    return receive
