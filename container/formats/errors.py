"""What is said of bytes that do not follow their format: what was expected, what came and where."""

import math


class FormatError(ValueError):
    """Bytes from outside that do not follow their format.

    Parameters
    ----------
    text : str
        What was expected and what came.
    record : int, optional
        The record or line, counted from 1; whoever knows it may set it later.
    column : int, optional
        The column, counted from 1.

    Attributes
    ----------
    noun : str
        What the format calls a record: "record", "line" or "instance".
    """

    noun = "record"

    def __init__(self, text: str, *, record: int | None = None, column: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.record = record
        self.column = column

    @property
    def place(self) -> str:
        """Where it is, as "record 17, column 4"; empty when it is not known."""
        known = ((self.noun, self.record), ("column", self.column))
        return ", ".join(f"{name} {number}" for name, number in known if number is not None)

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class MissingValueError(FormatError):
    """A number that is NaN."""


class InfiniteValueError(FormatError):
    """A number that is infinite, or that is beyond the range of float32."""


class IncompleteError(FormatError):
    """The bytes end inside a record; with more of them it may be whole."""


def excerpt(value: str, limit: int = 40) -> str:
    """Give `value` quoted and printable, cut to `limit` characters, for an error's text."""
    return repr(value if len(value) <= limit else value[:limit] + "...")


def not_finite(value: float, column: int) -> FormatError:
    """Give the error for a number that is no finite float32.

    Parameters
    ----------
    value : float
        NaN, infinite, or beyond float32's range.
    column : int
        Counted from 1.
    """
    if math.isnan(value):
        return MissingValueError("expected a number, got nan", column=column)
    expected = "a finite number" if math.isinf(value) else "a number in the range of float32"
    return InfiniteValueError(f"expected {expected}, got {value:g}", column=column)
