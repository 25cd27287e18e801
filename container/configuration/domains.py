"""The domains of hyperparameters: how values are parsed, and how the domain is described."""

import json
import re
from dataclasses import dataclass
from typing import Protocol

_INTEGER = re.compile(r"([+-]?[0-9]+)(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Domain(Protocol):
    """The set of values of a hyperparameter."""

    @property
    def expected(self) -> str:
        """Description of the values, to follow "expected"."""

    def parse(self, text: str) -> object:
        """Parse text without surrounding spaces; raise ValueError if it is not a value of the domain."""


@dataclass(frozen=True, slots=True)
class Integer:
    """Integers from `minimum` to `maximum`, and the word ``auto`` (None) if `auto` is true."""

    minimum: int
    maximum: int
    auto: bool = False

    @property
    def expected(self) -> str:
        """Description of the range."""
        return f"an integer from {self.minimum} to {self.maximum}" + (" or 'auto'" if self.auto else "")

    def parse(self, text: str) -> int | None:
        """Parse "8", or "8.0", which tuning jobs and hand-written JSON produce."""
        if self.auto and text == "auto":
            return None
        match = _INTEGER.fullmatch(text)
        if not match or not self.minimum <= (value := int(match[1])) <= self.maximum:
            raise ValueError(text)
        return value


@dataclass(frozen=True, slots=True)
class Continuous:
    """Real numbers from `minimum` to `maximum`."""

    minimum: float
    maximum: float

    @property
    def expected(self) -> str:
        """Description of the range."""
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    def parse(self, text: str) -> float:
        """Parse a decimal number; NaN and infinity are errors."""
        if not _NUMBER.fullmatch(text) or not self.minimum <= (value := float(text)) <= self.maximum:
            raise ValueError(text)
        return value


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of several words, in any case if `fold_case` is true."""

    values: tuple[str, ...]
    fold_case: bool = False

    @property
    def expected(self) -> str:
        """Description of the words."""
        return either(self.values)

    def parse(self, text: str) -> str:
        """Parse a word."""
        word = text.lower() if self.fold_case else text
        if word not in self.values:
            raise ValueError(text)
        return word


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false, in any case: the SDK sends "True"; and the word ``auto`` (None) if `auto` is true."""

    auto: bool = False

    @property
    def expected(self) -> str:
        """Description of the words."""
        return either(("auto", "true", "false") if self.auto else ("true", "false"))

    def parse(self, text: str) -> bool | None:
        """Parse a boolean."""
        if self.auto and text == "auto":
            return None
        word = text.lower()
        if word not in ("true", "false"):
            raise ValueError(text)
        return word == "true"


@dataclass(frozen=True, slots=True)
class Subset:
    """A subset of some words: a JSON list, a list without quotes (sagemaker-spark), or words separated by commas."""

    values: tuple[str, ...]

    @property
    def expected(self) -> str:
        """Description of the list."""
        return f"a list of {either(self.values)}, such as {json.dumps([self.values[0]])}"

    def parse(self, text: str) -> tuple[str, ...]:
        """Parse the words, in their order and without duplicates."""
        inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        words = [unquoted(word.strip()) for word in inner.split(",")]
        if not all(word in self.values for word in words):
            raise ValueError(text)
        return tuple(dict.fromkeys(words))


@dataclass(frozen=True, slots=True)
class Names:
    """Names: a JSON list of texts, or names separated by commas; or no names at all."""

    expected: str = 'different names, as a JSON list or separated by commas, such as ["age", "income"]'

    def parse(self, text: str) -> tuple[str, ...]:
        """Parse the names, in their order."""
        if text.startswith("["):
            try:
                names = json.loads(text)
            except RecursionError:
                raise ValueError(text) from None
        else:
            names = [name.strip() for name in text.split(",")] if text else []
        if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
            raise ValueError(text)
        return tuple(names)


@dataclass(frozen=True, slots=True)
class Text:
    """Any text."""

    expected: str = "text"

    def parse(self, text: str) -> str:
        """Return the text as it is."""
        return text


def unquoted(text: str) -> str:
    """Return text without its quotes, decoded if it is a JSON string: some clients encode each value."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        return text
    try:
        # "[\"msd\"]" becomes ["msd"].
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def either(words: tuple[str, ...]) -> str:
    """List words as alternatives."""
    *others, last = (f"'{word}'" for word in words)
    return f"{', '.join(others)} or {last}" if others else last
