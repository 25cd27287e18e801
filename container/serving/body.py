"""Read the body of a request: whole, or not at all."""

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
    """Read a body, chunked or not, in blocks of `BLOCK_BYTES`; the last one is shorter.

    Flask's own limit truncates a chunked body silently. And neither Flask nor gunicorn notices when a client sends
    fewer bytes than its Content-Length says: the rest can look like a shorter request.

    Parameters
    ----------
    environ : dict
        The WSGI environment of the request, whose stream has not been read.
    max_bytes : int or None
        Maximum length of the body; None for no limit.

    Yields
    ------
    bytes
        A block of the body.

    Raises
    ------
    RequestEntityTooLarge
        With status 413, if the body is longer than `max_bytes`.
    BadRequest
        With status 400, if the body ends early or a chunk is malformed.
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
            raise RequestTimeout(f"expected a whole body, timed out after about {total} bytes") from error
        except (OSError, ParseException) as error:
            raise BadRequest(f"expected a whole body, got an early end or a malformed chunk: {error}") from error
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
    """Read and drop the rest of the body of a request that is refused.

    If much of a body is unread, gunicorn closes the connection: a client that is still sending then gets a reset
    instead of the answer.

    Parameters
    ----------
    environ : dict
        The WSGI environment of the request.
    max_bytes : int
        Maximum number of bytes to read.
    """
    read = _reading(environ)
    with suppress(OSError, ParseException):
        for _ in range(-(-max_bytes // BLOCK_BYTES)):
            if len(read(BLOCK_BYTES)) < BLOCK_BYTES:
                break


def _reading(environ: "WSGIEnvironment") -> Callable[[int], bytes]:
    """Return a function that reads a number of bytes of a body, or fewer at its end.

    A body of known length is read from the socket itself: gunicorn would copy it half a dozen times, which takes as
    long as receiving it. Gunicorn's count of the remaining bytes is updated, since it must know where the next request
    begins.
    """
    stream = environ["wsgi.input"]
    reader = getattr(stream, "reader", None)
    if not isinstance(reader, LengthReader):
        read: Callable[[int], bytes] = stream.read
        return read

    def receive(size: int) -> bytes:
        parts = []
        # What was received with the headers; it may contain the start of the next request.
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
