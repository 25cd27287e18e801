"""JSON objects of configuration files: bounded, with distinct names, and told by their path when they are broken."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from container.errors import JobError
from container.files.regular import NotRegularFileError, open_regular

# The largest file the service can write has 100 hyperparameters of 2,500 characters, each at most 6 bytes in JSON.
_MAX_FILE_BYTES = 4 << 20


def read(path: Path, error: type[JobError]) -> dict[str, Any] | None:
    """Read a file that holds one JSON object.

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
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as cause:
        raise error(f"{path} must be valid JSON") from cause
    if not isinstance(value, dict):
        raise error(f"{path}: expected an object, got {shown(value)}")
    return value


def loads(text: bytes | bytearray) -> Any:
    """Parse JSON as its standard has it, without the extensions of Python's parser.

    Parameters
    ----------
    text : bytes or bytearray
        In UTF-8; its caller bounds its length.

    Returns
    -------
    object
        All numbers in it are finite.

    Raises
    ------
    ValueError
        If it is no JSON, holds NaN, Infinity or a number beyond float64, or holds one name twice in an object.
    RecursionError
        If it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_distinct, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {text[:40]}")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, none of which may replace another in silence."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(f"expected each name once, got '{named_twice(pairs)}' twice")
    return members


def named_twice(pairs: list[tuple[str, Any]]) -> str:
    """Return the first name that comes more than once among members, of which there must be one."""
    return next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)


def shown(value: object) -> str:
    """Put what came as JSON, at most 120 characters of it."""
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
