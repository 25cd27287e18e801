"""The content types of requests and answers: a module for each, registered here."""

from container.serving.codecs import csv_codec, json_codec, jsonlines_codec, recordio_codec
from container.serving.codecs.codec import Codec

_MODULES: tuple[Codec, ...] = (json_codec, jsonlines_codec, csv_codec, recordio_codec)

# By content type; where a client has no preference, the first one that it accepts is the answer's.
CODECS: dict[str, Codec] = {module.MEDIA_TYPE: module for module in _MODULES}
