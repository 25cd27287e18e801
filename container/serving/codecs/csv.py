"""``text/csv``: a row a line; answered by ``closest_cluster,distance_to_cluster`` without a header."""

from collections.abc import Iterable, Iterator

from container.formats.csv import parse
from container.serving.codecs.codec import Instances, Predictions
from container.serving.codecs.lines import whole_lines
from container.serving.codecs.text import csv_lines

MEDIA_TYPE = "text/csv"


def decode(body: Iterable[bytes], feature_dim: int) -> Iterator[Instances]:
    """Read lines of `feature_dim` numbers."""
    record = 1
    for lines in whole_lines(body):
        rows = parse(lines, feature_dim, first_record=record)
        record += len(rows)
        yield Instances(rows)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write a line a row, the last one ended too."""
    for block in blocks:
        yield csv_lines(block.columns)
