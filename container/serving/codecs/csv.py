"""``text/csv``: a row a line; answered by ``closest_cluster,distance_to_cluster`` without a header."""

from container.formats.csv import parse
from container.serving.codecs.codec import Instances, Predictions

MEDIA_TYPE = "text/csv"


def decode(body: bytes, feature_dim: int) -> Instances:
    """Read lines of `feature_dim` numbers."""
    return Instances(parse(body, feature_dim))


def encode(predictions: Predictions) -> bytes:
    """Write a line a row, the last one ended too."""
    return "".join(f"{label},{distance}\n" for label, distance in zip(*predictions.columns(), strict=True)).encode()
