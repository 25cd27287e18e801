"""The content types of requests and answers: a module for each, registered here."""

from container.serving.codecs import csv, json, jsonlines, recordio
from container.serving.codecs.codec import Codec

_MODULES: tuple[Codec, ...] = (json, jsonlines, csv, recordio)

# By content type; where a client has no preference, the first one that it accepts is the answer's.
CODECS: dict[str, Codec] = {module.MEDIA_TYPE: module for module in _MODULES}
