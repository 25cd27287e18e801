"""Messages of launchers and workers: JSON objects, one per line."""

import json
from typing import TYPE_CHECKING, Any

from container.files import json_object

if TYPE_CHECKING:
    import asyncio  # neither a worker nor a job of one host needs it, and importing it takes a while

# The longest message is a greeting: hyperparameters (100 of 2,500 characters) and versions.
MAX_LINE = 1 << 20
# The time between two heartbeats; silence is counted in such beats.
BEAT_SECONDS = 2.0


class MessageError(ValueError):
    """The bytes are no message."""


def encode(**content: Any) -> bytes:
    """Encode a message as a line."""
    return json.dumps(content).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Decode a line.

    Raises
    ------
    MessageError
        If it is no message.
    """
    try:
        content = json_object.loads(line)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"expected a message, got {line[:60]!r}") from error
    if not isinstance(content, dict):
        raise MessageError(f"expected a message, got {line[:60]!r}")
    return content


async def receive(reader: "asyncio.StreamReader") -> dict[str, Any] | None:
    """Wait for a message; return None if the other side has closed the connection, or is gone.

    Raises
    ------
    MessageError
        If a line is no message, or is too long.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise MessageError(f"expected a message of at most {MAX_LINE} bytes, got a longer one") from None
    except OSError:
        return None
    return decode(line) if line.endswith(b"\n") else None
