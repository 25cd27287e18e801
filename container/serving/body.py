"""The body of a request, whole or refused."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from container.serving.codecs.codec import BLOCK_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def blocks(environ: "WSGIEnvironment", max_bytes: int) -> Iterator[bytes]:
    """Read a body in blocks of `BLOCK_BYTES`, chunked or not; the last one is shorter, and ends a whole body.

    Flask's own bound cuts a chunked body off without a word, and neither it nor gunicorn misses the bytes of a client
    that sends fewer than it said: what is left can look like a shorter request.

    Parameters
    ----------
    environ : dict
        The request's; its stream not yet read.
    max_bytes : int
        Bound of the body's length.

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
        With status 408, if the client stops to send.
    """
    stated = int(environ["CONTENT_LENGTH"]) if environ.get("CONTENT_LENGTH") else None
    if stated is not None and stated > max_bytes:
        raise RequestEntityTooLarge(f"expected a body of at most {max_bytes} bytes, got {stated}")
    total = 0
    while True:
        try:
            block: bytes = environ["wsgi.input"].read(BLOCK_BYTES)
        except BlockingIOError as error:
            raise RequestTimeout(f"expected a whole body, got {total} bytes or a few more, and then none") from error
        except (OSError, ParseException) as error:
            raise BadRequest(f"expected a whole body, got an end or a chunk that is malformed: {error}") from error
        total += len(block)
        if total > max_bytes:
            raise RequestEntityTooLarge(f"expected a body of at most {max_bytes} bytes, got more")
        if len(block) < BLOCK_BYTES:
            if stated is not None and total != stated:
                raise BadRequest(f"expected a body of {stated} bytes, as Content-Length says, got {total}")
            yield block
            return
        yield block
