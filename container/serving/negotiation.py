"""Choose codecs: by Content-Type for the request, by Accept for the answer (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from werkzeug.exceptions import NotAcceptable, UnsupportedMediaType
from werkzeug.http import parse_options_header

from container.formats import charset
from container.formats.errors import excerpt
from container.serving.codecs import CODECS, csv_codec, csv_header, recordio_codec
from container.serving.codecs.codec import Codec

# As in training, where a channel without a content type holds RecordIO.
DEFAULT_CONTENT_TYPE = recordio_codec.MEDIA_TYPE

_ANYTHING = "*/*"
# Some clients write spaces around an equals sign, which the grammar of headers does not allow.
_EQUALS = re.compile(r"[ \t]*=[ \t]*")


class _Range(NamedTuple):
    """An entry of Accept: a media type, where its subtype or both parts may be ``*``, and its weight."""

    name: str
    weight: float
    position: int

    @property
    def specificity(self) -> int:
        """0 for ``*/*``, 1 for ``text/*``, 2 for ``text/csv``."""
        return 0 if self.name == _ANYTHING else 1 if self.name.endswith("/*") else 2

    def covers(self, media_type: str) -> bool:
        return self.name in (_ANYTHING, media_type, media_type.partition("/")[0] + "/*")


# Clients send the same few values over and over.
@lru_cache(maxsize=64)
def request_codec(content_type: str) -> Codec:
    """Choose the codec that reads a request.

    Parameters
    ----------
    content_type : str
        The value of the header; empty if there is none, which means `DEFAULT_CONTENT_TYPE`. The parameter `charset`,
        also called `encoding`, must be UTF-8 and `label_size` must be 0. CSV has a first line of names if `header` is
        ``present``. Other parameters are ignored.

    Returns
    -------
    Codec
        The codec of the media type.

    Raises
    ------
    UnsupportedMediaType
        With status 415, if there is no such codec.
    """
    name, parameters = _parsed(content_type.strip() or DEFAULT_CONTENT_TYPE)
    codec = CODECS.get(name)
    if codec is None:
        raise UnsupportedMediaType(f"expected Content-Type {' or '.join(CODECS)}, got {excerpt(content_type)}")
    for parameter in charset.PARAMETERS:
        if not charset.is_utf_8(stated := parameters.get(parameter, "utf-8")):
            raise UnsupportedMediaType(f"expected {parameter} utf-8, got {excerpt(stated)}")
    if parameters.get("label_size", "0") != "0":
        raise UnsupportedMediaType(
            f"expected label_size=0, for a row to predict has no label, got {excerpt(parameters['label_size'])}"
        )
    header = parameters.get("header", "absent").lower()
    if codec is csv_codec and header != "absent":
        if header != "present":
            raise UnsupportedMediaType(f"expected header present or absent, got {excerpt(header)}")
        return csv_header
    return codec


@lru_cache(maxsize=64)
def response_codec(accept: str, default: str = next(iter(CODECS))) -> Codec:
    """Choose the codec that writes an answer.

    Parameters
    ----------
    accept : str
        The value of the header; empty if there is none.
    default : str
        The media type to prefer if the header has no preference, a key of `CODECS`.

    Returns
    -------
    Codec
        The codec of the type with the highest weight; among equals, of the most specific type, then of the one named
        first, then of the default, then of the one registered first.

    Raises
    ------
    NotAcceptable
        With status 406, if the client accepts none of the types.
    """
    ranges = list(_ranges(accept)) if accept.strip() else [_Range(_ANYTHING, 1.0, 0)]
    choices = []
    for rank, (media_type, codec) in enumerate(CODECS.items()):
        preferred = media_type == default
        covering = [entry for entry in ranges if entry.covers(media_type)]
        entry = max(covering, key=lambda entry: (entry.specificity, -entry.position), default=None)
        if entry is not None and entry.weight > 0:
            choices.append(((entry.weight, entry.specificity, -entry.position, preferred, -rank), codec))
    if not choices:
        raise NotAcceptable(f"expected Accept {' or '.join(CODECS)}, got {excerpt(accept)}")
    return max(choices, key=lambda choice: choice[0])[1]


def _ranges(accept: str) -> Iterator[_Range]:
    """Yield the entries of Accept, without those of an invalid weight or of a charset that can't encode ASCII."""
    for position, entry in enumerate(accept.split(",")):
        name, parameters = _parsed(entry.strip())
        if not charset.holds_ascii(parameters.get("charset", "us-ascii")):
            continue
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            continue
        if 0.0 <= weight <= 1.0:
            # Java's URLConnection sends a lone asterisk.
            yield _Range(_ANYTHING if name == "*" else name, weight, position)


def _parsed(value: str) -> tuple[str, Mapping[str, str]]:
    """Return the media type, in lower case, and its parameters."""
    name, parameters = parse_options_header(_EQUALS.sub("=", value))
    return name.lower(), parameters
