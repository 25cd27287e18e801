"""``application/json``: ``{"instances": [...]}``, answered by ``{"predictions": [...]}``."""

from collections.abc import Iterable, Iterator
from itertools import islice

from container.serving.codecs import instances
from container.serving.codecs.codec import Instances, Predictions, rows_in_block
from container.serving.codecs.text import json_objects

MEDIA_TYPE = "application/json"

_SEPARATOR = ", "
# Parsed instances take many times the memory of their text.
_MOST_PARSED = 4096


def decode(body: Iterable[bytes], feature_dim: int) -> Iterator[Instances]:
    """Read one object with a list of instances."""
    elements = instances.elements(instances.text_of(b"".join(body)))
    number, step = 1, min(_MOST_PARSED, rows_in_block(feature_dim))
    while given := list(islice(elements, step)):
        yield Instances(instances.rows(given, feature_dim, "instance", number))
        number += len(given)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write one object with a list of predictions."""
    before = b'{"predictions": ['
    for block in blocks:
        yield before + json_objects(block.columns, _SEPARATOR).removesuffix(_SEPARATOR.encode())
        before = _SEPARATOR.encode()
    yield b"]}"
