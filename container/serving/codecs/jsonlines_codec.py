"""``application/jsonlines``: one instance per line, answered by one prediction per line."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from container.formats.errors import located
from container.serving.codecs import instances, strict_json
from container.serving.codecs.codec import Instances, Predictions, rows_in_block
from container.serving.codecs.lines import whole_lines
from container.serving.codecs.text import json_objects

MEDIA_TYPE = "application/jsonlines"

_NOUN = "line"


def decode(
    body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> Iterator[Instances]:
    """Yield the rows of instances, one per line; only after the last may lines be empty: each line gets an answer."""
    number, step = 1, rows_in_block(feature_dim)
    for text in whole_lines(body, b" \t\r\n"):
        lines = text.split(b"\n")
        for start in range(0, len(lines), step):
            given = _parsed(lines[start : start + step], number)
            yield Instances(instances.rows(given, feature_dim, _NOUN, number, dtype, gaps=gaps))
            number += len(given)


def _parsed(lines: list[bytes], first: int) -> list[object]:
    """Return the values of lines, which are numbered from `first` on."""
    values = []
    with located(noun=_NOUN) as place:
        for number, line in enumerate(lines, first):
            place.record = number
            values.append(strict_json.parse(strict_json.text_of(line, byte_order_mark=number == 1), line=True))
    return values


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Yield a line for each row; the last one has an end too."""
    for block in blocks:
        yield json_objects(block.columns, "\n")
