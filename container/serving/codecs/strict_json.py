"""The JSON of requests: `container.files.json_object` reads it, and errors say where it is broken.

A document of instances is ``{"instances": [...]}``, a list of instances, or one instance; other names next to
``instances`` have no meaning. Its instances are parsed one by one. ``NaN`` is read like a number, since Python's json
writes it.
"""

import json
import re
from collections.abc import Iterator

from container.files.json_object import decoder
from container.formats.errors import FormatError, excerpt, shown


class NotJSONError(FormatError):
    """Text that is not JSON."""


def text_of(body: bytes, *, byte_order_mark: bool = True) -> str:
    """Return bytes as text; if `byte_order_mark`, they may begin with one.

    Raises
    ------
    NotJSONError
        If it is not UTF-8.
    """
    try:
        return body.decode("utf-8-sig" if byte_order_mark else "utf-8")
    except UnicodeDecodeError as error:
        raise NotJSONError(f"expected UTF-8, got the byte 0x{body[error.start]:02x} at {error.start + 1}") from error


def parse(text: str, *, line: bool = False) -> object:
    """Return one JSON value.

    Parameters
    ----------
    text : str
        A document, or a line of JSON Lines.
    line : bool
        Whether it is a line, so that errors name only a column.

    Returns
    -------
    object
        What `json.loads` makes of it.

    Raises
    ------
    NotJSONError
        If it is not such JSON.
    """
    try:
        return _DECODER.decode(text)
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise _not_json(text, error, line) from error


def elements(text: str) -> Iterator[object]:
    """Yield the instances of a document, parsed one by one, so that the others' objects need no memory.

    Raises
    ------
    FormatError
        If it is not JSON, or another document.
    """
    scanner = _Scanner(text)
    if scanner.sees("{"):
        yield from _of_object(scanner)
    elif _ROW.match(text):
        yield scanner.value()
    elif scanner.sees("["):
        yield from scanner.items()
    else:
        raise FormatError(f"expected {_DOCUMENTS}, got {shown(scanner.value())}")
    scanner.end()


def _of_object(scanner: "_Scanner") -> Iterator[object]:
    """Yield the instances of an object, or the object itself, if it is one instance."""
    members: dict[str, object] = {}
    listed = False
    for name in scanner.names():
        if name in members:
            raise FormatError(f"expected each name once, got {excerpt(name)} twice")
        if name == "instances" and scanner.sees("["):
            members[name], listed = None, True
            yield from scanner.items()
        else:
            members[name] = scanner.value()
    if not listed:
        if "instances" in members:
            raise FormatError(f'expected {{"instances": [...]}}, got {shown(members)}')
        yield members
    elif others := members.keys() & {"features", "data"}:
        raise FormatError(f"expected no features next to instances, got {excerpt(min(others))}")


class _Scanner:
    """A place in a JSON text, which each method moves forward, past the blanks that follow.

    Where the text is not JSON they raise NotJSONError, as the parser of whole documents would.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._take(_BLANKS)

    def sees(self, sign: str) -> bool:
        """Return whether `sign` comes next."""
        return self._text.startswith(sign, self._at)

    def value(self) -> object:
        """Return the next value."""
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except FormatError:
            raise
        except (ValueError, RecursionError) as error:
            raise _not_json(self._text, error) from error
        return value

    def items(self) -> Iterator[object]:
        """Yield the items of a list."""
        end = self._take(_LIST)
        while end != "]":
            yield self.value()
            end = self._take(_BEHIND_ITEM, "Expecting ',' delimiter")

    def names(self) -> Iterator[str]:
        """Yield the names of an object; the value of each is to be read before the next one is asked for."""
        end = self._take(_OBJECT)
        while end != "}":
            if not self.sees('"'):
                raise self._broken("Expecting property name enclosed in double quotes")
            name = str(self.value())
            self._take(_BEHIND_NAME, "Expecting ':' delimiter")
            yield name
            end = self._take(_BEHIND_MEMBER, "Expecting ',' delimiter")

    def end(self) -> None:
        """Require the end of the text."""
        self._take(_END, "Extra data")

    def _take(self, pattern: "re.Pattern[str]", fault: str = "") -> str | None:
        """Move past what a pattern matches, and return its group; `fault` says what is wrong if it does not match."""
        match = pattern.match(self._text, self._at)
        if match is None:
            self._take(_BLANKS)
            raise self._broken(fault)
        self._at = match.end()
        return match[pattern.groups]

    def _broken(self, fault: str) -> NotJSONError:
        return _not_json(self._text, json.JSONDecodeError(fault, self._text, self._at))


def _not_json(text: str, error: ValueError | RecursionError, line: bool = False) -> NotJSONError:
    """Return the error that says what is wrong with a text, and where; `error` is what its parser has raised."""
    if isinstance(error, RecursionError):
        return NotJSONError("expected JSON that is nested less deeply")
    if not isinstance(error, json.JSONDecodeError):
        # Python bounds the digits of an integer, because their conversion takes the square of the time.
        return NotJSONError("expected numbers of fewer digits")
    if not text.strip(" \t\r\n"):
        return NotJSONError(f"expected JSON, got an empty {'line' if line else 'body'}")
    # Cut before it is copied: the rest may be long.
    got = excerpt(text[error.pos : error.pos + 21], 20) if error.pos < len(text) else "the end"
    place = f"column {error.colno}" if line else f"line {error.lineno}, column {error.colno}"
    return NotJSONError(f"expected JSON, got {got} at {place} ({error.msg})")


_DOCUMENTS = '{"instances": [...]} or a list'
# Decimals beyond float64 and NaN are left to the check of a row's numbers, which knows the column.
_DECODER = decoder(FormatError, finite=False, nan=True)
_BLANK = r"[ \t\n\r]*"
_BLANKS = re.compile(_BLANK)
_LIST = re.compile(rf"\[{_BLANK}(?:(\]){_BLANK})?")
_OBJECT = re.compile(rf"\{{{_BLANK}(?:(\}}){_BLANK})?")
_BEHIND_ITEM = re.compile(rf"{_BLANK}([,\]]){_BLANK}")
_BEHIND_NAME = re.compile(rf"{_BLANK}:{_BLANK}")
_BEHIND_MEMBER = re.compile(rf"{_BLANK}([,}}]){_BLANK}")
_END = re.compile(rf"{_BLANK}\Z")
# A list that begins with a number, or with a missing one, is one row.
_ROW = re.compile(rf"{_BLANK}\[{_BLANK}(?:[-0-9]|null|NaN)")
