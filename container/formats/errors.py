"""What is wrong with bytes from outside: what was expected, what was found, and where."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self


class FormatError(ValueError):
    """Bytes from outside that do not follow their format.

    Parameters
    ----------
    text : str
        What was expected and what was found.
    record : int, optional
        The record or line, counted from 1. Code that does not know it leaves it to a caller's `located`.
    column : int, optional
        The column, counted from 0, as features are in a model and its report.

    Attributes
    ----------
    file : str
        The file; empty where the caller names it.
    noun : str
        What the format calls a record: "record", "line" or "instance".
    """

    file = ""
    noun = "record"

    def __init__(self, text: str, *, record: int | None = None, column: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.record = record
        self.column = column

    @property
    def place(self) -> str:
        """Where it is, as "record 17, column 3"; empty when it is not known."""
        known = ((self.noun, self.record), ("column", self.column))
        numbers = (f"{name} {number}" for name, number in known if number is not None)
        return ", ".join([*filter(None, [self.file]), *numbers])

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class MissingValueError(FormatError):
    """A number that is NaN."""


class InfiniteValueError(FormatError):
    """A number that is infinite, or that is beyond the range of float32."""


class ZeroRowError(FormatError):
    """A row of zeros where directions are compared, of which it has none."""


class WeightError(FormatError):
    """A weight that is missing, negative or not finite."""


class IncompleteError(FormatError):
    """The bytes end inside a record; with more of them it may be whole."""


@dataclass(slots=True)
class Place:
    """Where bytes come from: a `FormatError` that is raised inside the context says so.

    Attributes
    ----------
    record : int or None
        The record or line that is read, counted from 1; may be changed inside the context. None leaves the error's own.
    noun : str
        What the format calls a record; empty for what the error says.
    file : str
        The file that is read, unless the error names one; empty for none.
    renumber : callable or None
        Returns a record's number for the one that the error has, where what is read is a part of something larger.
    columns : sequence of str
        The names of the columns, which the error states; empty if they have none.
    """

    record: int | None
    noun: str
    file: str
    renumber: Callable[[int], int] | None
    columns: Sequence[str]

    def __enter__(self) -> Self:
        """Return the place itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the error, if it is one of a format."""
        if not isinstance(error, FormatError):
            return
        if self.renumber is not None and error.record is not None:
            error.record = self.renumber(error.record)
        if self.record is not None:
            error.record = self.record
        if self.columns and error.column is not None:
            error.text += f" (in {excerpt(self.columns[error.column])})"
        error.noun = self.noun or error.noun
        error.file = error.file or self.file


def located(
    record: int | None = None,
    *,
    noun: str = "",
    file: str = "",
    renumber: Callable[[int], int] | None = None,
    columns: Sequence[str] = (),
) -> Place:
    """Return a context that adds to a `FormatError` where it is; see `Place`."""
    return Place(record, noun, file, renumber, columns)


def excerpt(text: str, limit: int = 40) -> str:
    """Return text quoted and printable, cut to `limit` characters, for an error's sentence."""
    return repr(text if len(text) <= limit else text[:limit] + "...")


def shown(value: object, limit: int = 120) -> str:
    """Return a value as JSON, cut to `limit` characters, for an error's sentence; the rest is not even looked at."""
    text = ""
    for piece in json.JSONEncoder().iterencode(value):
        text += piece
        if len(text) > limit:
            return f"{text[: limit - 3]}..."
    return text


def not_finite(value: float, column: int, *, record: int | None = None, name: str = "") -> FormatError:
    """Return the error for a number that is no finite float32.

    Parameters
    ----------
    value : float
        NaN, infinite, or beyond float32's range.
    column : int
        Counted from 0.
    record : int, optional
        Counted from 1.
    name : str
        That of the column; empty where columns have none.

    Returns
    -------
    FormatError
        A MissingValueError for NaN, an InfiniteValueError for any other number.
    """
    named = f" (in {excerpt(name)})" if name else ""
    if math.isnan(value):
        return MissingValueError(f"expected a number, got nan{named}", record=record, column=column)
    expected = "a finite number" if math.isinf(value) else "a number in the range of float32"
    return InfiniteValueError(f"expected {expected}, got {value:g}{named}", record=record, column=column)
