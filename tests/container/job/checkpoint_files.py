"""Checkpoints taken apart and put together again, with a right checksum whatever is in them."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts.checkpoint import MAGIC

Arrays = dict[str, NDArray[Any]]


def unpacked(path: Path) -> tuple[Arrays, dict[str, Any]]:
    content = path.read_bytes()[len(MAGIC) + hashlib.sha256().digest_size :]
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    return arrays, json.loads(arrays.pop("facts").tobytes())


def packed(arrays: Arrays, facts: Any) -> bytes:
    file = io.BytesIO()
    contents: dict[str, Any] = {**arrays, "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
    np.savez(file, **contents)
    return MAGIC + hashlib.sha256(file.getvalue()).digest() + file.getvalue()
