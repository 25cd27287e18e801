"""JSON from outside, read as its standard has it: distinct names in an object, no NaN, no Infinity."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from container.errors import JobError
from container.files.regular import NotRegularFileError, open_regular
from container.formats.errors import excerpt, shown

# The largest file the service can write has 100 hyperparameters of 2,500 characters, each at most 6 bytes in JSON.
_MAX_FILE_BYTES = 4 << 20


class JSONObjectError(ValueError):
    """A text holds no JSON object, or not as its standard has it."""


def read(path: Path, error: type[JobError]) -> dict[str, Any] | None:
    """Return the JSON object in a file.

    Parameters
    ----------
    path : Path
        The file.
    error : type of JobError
        What to raise.

    Returns
    -------
    dict or None
        The object; None when there is no such file.

    Raises
    ------
    JobError
        Of type `error`, if the file cannot be read, is too large, or holds something else.
    """
    try:
        with open_regular(path) as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except NotRegularFileError as cause:
        raise error(str(cause)) from None
    except OSError as cause:
        raise error(f"{path} cannot be read") from cause
    if len(data) > _MAX_FILE_BYTES:
        raise error(f"{path}: expected at most {_MAX_FILE_BYTES} bytes, got more")
    try:
        # Editors on Windows put a byte order mark first.
        value = _DECODER.decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as cause:
        raise error(f"{path} must be valid JSON") from cause
    if not isinstance(value, dict):
        raise error(f"{path}: expected an object, got {shown(value)}")
    return value


def parse(text: bytes | bytearray) -> dict[str, Any]:
    """Return a JSON object.

    Parameters
    ----------
    text : bytes or bytearray
        In UTF-8; its caller bounds its length.

    Returns
    -------
    dict
        All numbers in it are finite.

    Raises
    ------
    JSONObjectError
        If it is no JSON or nested too deeply, holds NaN, Infinity or a number beyond float64, holds one name twice in
        an object, or is no object.
    """
    try:
        value = loads(text)
    except (ValueError, RecursionError) as cause:
        raise JSONObjectError(f"expected valid JSON: {cause}") from cause
    if not isinstance(value, dict):
        raise JSONObjectError(f"expected an object, got {type(value).__name__}")
    return value


def loads(text: bytes | bytearray) -> Any:
    """Return a JSON value of any kind; like `parse`, but what is nested too deeply raises RecursionError."""
    return _DECODER.decode(text.decode())


def decoder(error: type[ValueError] = ValueError, *, finite: bool = True, nan: bool = False) -> json.JSONDecoder:
    """Return a decoder of strict JSON.

    Parameters
    ----------
    error : type of ValueError
        What to raise of a name that comes twice in an object, and of a number that is not finite. What is no JSON at
        all is a `json.JSONDecodeError`, an integer of too many digits a plain ValueError.
    finite : bool
        Whether to refuse decimals beyond float64, too, which are infinite otherwise.
    nan : bool
        Whether to read ``NaN``, which is no JSON, but which Python's json writes.

    Returns
    -------
    json.JSONDecoder
    """

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            raise error(f"expected each name once, got {excerpt(twice)} twice")
        return members

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise error(f"expected a finite number, got {text[:40]}")
        return value

    def constant(text: str) -> float:
        return math.nan if nan and text == "NaN" else number(text)

    return json.JSONDecoder(object_pairs_hook=distinct, parse_float=number if finite else None, parse_constant=constant)


_DECODER = decoder()
