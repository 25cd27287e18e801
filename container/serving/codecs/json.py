"""``application/json``: ``{"instances": [...]}``, answered by ``{"predictions": [...]}``."""

import reprlib

from container.serving.codecs import instances
from container.serving.codecs.codec import Instances, Predictions

MEDIA_TYPE = "application/json"


def decode(body: bytes, feature_dim: int) -> Instances:
    """Read one object with a list of instances."""
    match instances.parse(instances.text_of(body)):
        case {"instances": list(given), **others} if not others:
            return Instances(instances.rows(given, feature_dim, "instance"))
        case other:
            raise instances.InstanceError(f'expected {{"instances": [...]}}, got {reprlib.repr(other)}')


def encode(predictions: Predictions) -> bytes:
    """Write one object with a list of predictions."""
    return f'{{"predictions": [{", ".join(instances.objects(predictions))}]}}'.encode()
