"""What features are called, in messages and in the report."""

from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Final, TypeVar

# How many of several things a message names.
_MAX_NAMED: Final = 5
# The most characters of a name in the report.
_MAX_LABEL: Final = 32

_Item = TypeVar("_Item")


def few(items: Collection[_Item], named: Callable[[_Item], str]) -> str:
    """Return the first few of some items in words, and how many more there are."""
    words = ", ".join(map(named, islice(items, _MAX_NAMED)))
    return f"{words} and {len(items) - _MAX_NAMED} more" if len(items) > _MAX_NAMED else words


def feature_name(feature: int, names: Sequence[str] = ()) -> str:
    """Return what a feature is called in messages: by its name, if features have names, or by its number."""
    return f"feature {repr(names[feature]) if names else feature}"


def feature_names(features: Collection[int], names: Sequence[str] = ()) -> str:
    """Return what the first few of some features are called in messages."""
    return few(features, lambda feature: feature_name(feature, names))


def feature_label(feature: int, names: Sequence[str], unnamed: str = "feature ") -> str:
    """Return what a feature is called in the report: its name, if features have names, or its number.

    Long names are cut.
    """
    if not names:
        return f"{unnamed}{feature}"
    name = names[feature]
    # The number tells names apart that begin alike.
    return name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL - 8]}... ({feature})"
