"""``text/csv;header=present``: CSV whose first line has the names of the columns."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import DTypeLike

from container.formats.columns import refuse_moved
from container.formats.csv import header
from container.formats.errors import located
from container.serving.codecs import csv_codec
from container.serving.codecs.codec import Instances

MEDIA_TYPE: Final = csv_codec.MEDIA_TYPE
encode = csv_codec.encode

# Longer headers are not looked at: in memory, names take many times as much.
_MAX_BYTES: Final = 4 << 20


def decode(
    body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> Iterator[Instances]:
    """Yield the rows of the lines that follow the first one."""
    return csv_codec.decode(_without_first_line(body), feature_dim, dtype, gaps=gaps)


def checked(body: Iterable[bytes], feature_names: Sequence[str]) -> Iterator[bytes]:
    """Yield a body as it is; raise a FormatError if its first line has a feature in another column than the model.

    Parameters
    ----------
    body : iterable of bytes
        Its parts, cut anywhere.
    feature_names : sequence of str
        The features of the model; empty if they have no names.
    """
    line = bytearray()
    in_header = bool(feature_names)
    for part in body:
        if in_header:
            start, end, _ = part.partition(b"\n")
            line += start
            in_header = not end and len(line) <= _MAX_BYTES
            if end and len(line) <= _MAX_BYTES:
                with located(1, noun="line"):
                    refuse_moved(header.names(bytes(line)), feature_names)
        yield part


def _without_first_line(body: Iterable[bytes]) -> Iterator[bytes]:
    in_header = True
    for part in body:
        if in_header:
            _, end, part = part.partition(b"\n")
            in_header = not end
        yield part
