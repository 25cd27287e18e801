"""``text/csv;header=present``: CSV whose first line has names, which are not looked at."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import DTypeLike

from container.serving.codecs import csv_codec
from container.serving.codecs.codec import Instances

MEDIA_TYPE: Final = csv_codec.MEDIA_TYPE
encode = csv_codec.encode


def decode(
    body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> Iterator[Instances]:
    """Yield the rows of the lines that follow the first one."""
    return csv_codec.decode(_without_first_line(body), feature_dim, dtype, gaps=gaps)


def _without_first_line(body: Iterable[bytes]) -> Iterator[bytes]:
    in_header = True
    for part in body:
        if in_header:
            _, end, part = part.partition(b"\n")
            in_header = not end
        yield part
