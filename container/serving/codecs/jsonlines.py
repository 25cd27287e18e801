"""``application/jsonlines``: an instance a line, answered by a prediction a line."""

from container.serving.codecs import instances
from container.serving.codecs.codec import Instances, Predictions

MEDIA_TYPE = "application/jsonlines"


def decode(body: bytes, feature_dim: int) -> Instances:
    """Read a line an instance; only after the last one may lines be empty, for each line is to get its answer."""
    text = instances.text_of(body).rstrip(" \t\r\n")
    given = []
    for number, line in enumerate(text.split("\n") if text else (), start=1):
        try:
            given.append(instances.parse(line))
        except instances.InstanceError as error:
            error.noun, error.record = "line", number
            raise
    return Instances(instances.rows(given, feature_dim, "line"))


def encode(predictions: Predictions) -> bytes:
    """Write a line a row, the last one ended too."""
    return "".join(f"{line}\n" for line in instances.objects(predictions)).encode()
