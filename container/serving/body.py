"""The body of a request, whole or refused."""

from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge


def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body, chunked or not.

    Flask's own bound cuts a chunked body off without a word, and neither it nor gunicorn misses the bytes of a client
    that sends fewer than it said: what is left can look like a shorter request.

    Parameters
    ----------
    request : Request
        Its stream not yet read.
    max_bytes : int
        Bound of the body's length.

    Returns
    -------
    bytes
        All of the body.

    Raises
    ------
    RequestEntityTooLarge
        With status 413, if it is longer.
    BadRequest
        With status 400, if it ends early or its chunks are not well formed.
    """
    stated = request.content_length
    if stated is not None and stated > max_bytes:
        raise RequestEntityTooLarge(f"expected a body of at most {max_bytes} bytes, got {stated}")
    try:
        body: bytes = request.environ["wsgi.input"].read(max_bytes + 1)
    except (OSError, ParseException) as error:
        raise BadRequest(f"expected a whole body, got an end or a chunk that is malformed: {error}") from error
    if len(body) > max_bytes:
        raise RequestEntityTooLarge(f"expected a body of at most {max_bytes} bytes, got more")
    if stated is not None and len(body) != stated:
        raise BadRequest(f"expected a body of {stated} bytes, as Content-Length says, got {len(body)}")
    return body
