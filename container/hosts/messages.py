"""Messages of launchers and workers: JSON objects, one a line."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # A worker has no use for it, nor has a job of one host, and importing it takes a while.
    import asyncio

# A line is a greeting at most: hyperparameters (100 of 2,500 characters) and versions. All else is short.
MAX_LINE = 1 << 20
# Whoever is alive says so this often; who watches counts silence in such beats.
BEAT_SECONDS = 2.0


class MessageError(ValueError):
    """What came is no message."""


def encode(**content: Any) -> bytes:
    """Write a message."""
    return json.dumps(content).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read a message.

    Raises
    ------
    MessageError
        If it is none.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"expected a message, got {line[:60]!r}") from error
    if not isinstance(content, dict):
        raise MessageError(f"expected a message, got {line[:60]!r}")
    return content


async def receive(reader: "asyncio.StreamReader") -> dict[str, Any] | None:
    """Wait for a message; give None when the other side has closed, or is gone.

    Raises
    ------
    MessageError
        If what comes is none, or is too long.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise MessageError(f"expected a message of at most {MAX_LINE} bytes, got a longer one") from None
    except OSError:
        return None
    return decode(line) if line.endswith(b"\n") else None
