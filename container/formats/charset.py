"""The charset that a content type states, in channels and in requests: text is read as UTF-8 only."""

from typing import Final

# The parameter's name in HTTP, and what some clients call it.
PARAMETERS: Final = ("charset", "encoding")

_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_NOT_ASCII: Final = ("utf-16", "utf16", "utf-32", "utf32", "ucs-", "iso-10646-ucs-")


def is_utf_8(name: str) -> bool:
    """Return whether text of a charset, named in any case, can be read as UTF-8."""
    return name.lower().replace("_", "-") in _UTF_8


def holds_ascii(name: str) -> bool:
    """Return whether a reader of a charset can read ASCII, judging by the name of the charset."""
    return not name.lower().replace("_", "-").startswith(_NOT_ASCII)
