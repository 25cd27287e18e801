"""``application/json``: a document of instances, answered by ``{"predictions": [...]}``.

If every instance is ``{"features": [...]}`` or a list, of numbers alone, simdjson reads them in a tenth of the time.
All other documents, and the errors in them, are left to `strict_json` and `instances`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import simdjson
from numpy.typing import DTypeLike, NDArray

from container.formats.numbers import held
from container.serving.codecs import instances, strict_json
from container.serving.codecs.codec import Instances, Predictions, rows_in_block
from container.serving.codecs.text import json_objects

MEDIA_TYPE = "application/json"

_SEPARATOR = ", "
# Parsed instances take many times the memory of their text.
_MAX_PARSED = 4096
# simdjson takes up to eight times the memory of a document.
_MAX_BYTES = 1 << 24


def decode(
    body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> Iterator[Instances]:
    """Yield the rows of one document."""
    document = b"".join(body)
    rows = _plain_rows(document, feature_dim, dtype)
    if rows is not None:
        yield Instances(rows)
        return
    elements = strict_json.elements(strict_json.text_of(document))
    number, step = 1, min(_MAX_PARSED, rows_in_block(feature_dim))
    while given := list(islice(elements, step)):
        yield Instances(instances.rows(given, feature_dim, "instance", number, dtype, gaps=gaps))
        number += len(given)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Yield one object with a list of predictions, in parts."""
    before = b'{"predictions": ['
    for block in blocks:
        yield before + json_objects(block.columns, _SEPARATOR).removesuffix(_SEPARATOR.encode())
        before = _SEPARATOR.encode()
    yield b"]}"


def _plain_rows(document: bytes, feature_dim: int, dtype: DTypeLike = np.float32) -> NDArray[Any] | None:
    """Return the rows of a document whose instances are `feature_dim` finite numbers and nothing else; else None."""
    if len(document) > _MAX_BYTES:
        return None
    runs = []
    try:
        whole: Any = simdjson.Parser().parse(document)
        given, lists = _given(whole)
        for instance in given:
            features = instance
            if not isinstance(instance, simdjson.Array):
                # A name that comes twice shows in the list of names.
                if list(instance) != ["features"]:
                    return None
                features = instance["features"]
            if len(features) != feature_dim:
                return None
            runs.append(features.as_buffer(of_type="d"))
    except (ValueError, TypeError, RuntimeError, AttributeError, IndexError):
        # No JSON, other types, or a whole number of more than 64 bits.
        return None
    # Lists within a list would count as the numbers in them.
    if not runs or document.count(b"[") != len(runs) + lists:
        return None
    rows, finite = held(np.frombuffer(b"".join(runs), np.float64).reshape(-1, feature_dim), dtype)
    return rows if finite.all() else None


def _given(whole: Any) -> tuple[Any, int]:
    """Return the instances of a document, none if it has other names too, and the number of lists around them."""
    if not isinstance(whole, simdjson.Array):
        return (whole["instances"], 1) if list(whole) == ["instances"] else ([], 0)
    return ([whole], 0) if isinstance(whole[0], int | float) else (whole, 1)
