"""``application/jsonlines``: an instance a line, answered by a prediction a line."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from container.formats.errors import FormatError
from container.serving.codecs import instances, strict_json
from container.serving.codecs.codec import Instances, Predictions, rows_in_block
from container.serving.codecs.lines import whole_lines
from container.serving.codecs.text import json_objects

MEDIA_TYPE = "application/jsonlines"

_NOUN = "line"


def decode(body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32) -> Iterator[Instances]:
    """Read a line an instance; only after the last one may lines be empty, for each line is to get its answer."""
    number, step = 1, rows_in_block(feature_dim)
    for text in whole_lines(body, b" \t\r\n"):
        lines = text.split(b"\n")
        for start in range(0, len(lines), step):
            given = [_parse(line, number + offset) for offset, line in enumerate(lines[start : start + step])]
            yield Instances(instances.rows(given, feature_dim, _NOUN, number, dtype))
            number += len(given)


def _parse(line: bytes, number: int) -> object:
    try:
        return strict_json.parse(strict_json.text_of(line, byte_order_mark=number == 1), line=True)
    except FormatError as error:
        error.noun, error.record = _NOUN, number
        raise


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write a line a row, the last one ended too."""
    for block in blocks:
        yield json_objects(block.columns, "\n")
