"""Columns of numbers and of lists of numbers, and the ways to store them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pyarrow import types

from container.formats.errors import FormatError, excerpt
from container.formats.parquet.scaling import Scaling, scaling_of

# The types of numbers that are read. A boolean is 0 or 1. A column of a dictionary's numbers has the type of these.
# A column without a single value may have the type null.
NUMBERS: Final = (types.is_floating, types.is_integer, types.is_boolean, types.is_decimal, types.is_null)
_LISTS: Final = (types.is_list, types.is_large_list, types.is_fixed_size_list)
_TENSOR: Final = "arrow.fixed_shape_tensor"
# Parquet and Arrow have no bfloat16. Those who define it as a type of their own, such as lance.bfloat16, store two
# bytes, and Arrow keeps the name of the type.
_TYPE_NAME: Final = b"ARROW:extension:name"
_BFLOAT16: Final = b"bfloat16"


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, or of lists of numbers.

    Attributes
    ----------
    place : int
        Its place in the table, from 0.
    name : str
        Its name.
    lists : bool
        Whether it holds lists.
    length : int
        The length of all lists, 0 as long as it is not known; 1 for numbers.
    bfloat16 : bool
        Whether its numbers are bfloat16, in two bytes each.
    scaling : Scaling or None
        What its numbers stand for, if not for themselves.
    """

    place: int
    name: str
    lists: bool = False
    length: int = 1
    bfloat16: bool = False
    scaling: Scaling | None = None

    @property
    def plain(self) -> bool:
        """Whether its numbers are features as they are."""
        return not (self.lists or self.bfloat16 or self.scaling)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features; the first one of a list is called ``name[0]``."""
        return tuple(f"{self.name}[{number}]" for number in range(self.length)) if self.lists else (self.name,)

    def of_length(self, length: int) -> "NumberColumn":
        """Return the same with lists of that length; raise a FormatError if its metadata don't match it."""
        if self.scaling and length:
            self.scaling.check(length, self.name)
        return self if length == self.length else replace(self, length=length)


def number_column(schema: Any, place: int) -> NumberColumn:
    """Return a column of a table.

    Parameters
    ----------
    schema : pyarrow.Schema
        The columns of the table.
    place : int
        The column's place among them.

    Returns
    -------
    NumberColumn
        Of a length that is not known, if the type does not say it.

    Raises
    ------
    FormatError
        If it holds something else than numbers or lists of numbers.
    """
    field = schema.field(place)
    kind = _storage(field.type)
    lists = holds_lists(kind)
    inner = kind.value_type if lists else kind
    metadata = {**((kind.value_field.metadata or {}) if lists else {}), **(field.metadata or {})}
    two_bytes = types.is_fixed_size_binary(inner) and inner.byte_width == 2
    named_bfloat16 = metadata.get(_TYPE_NAME, b"").split(b".")[-1] == _BFLOAT16
    bfloat16 = named_bfloat16 and (two_bytes or types.is_uint16(inner))
    if not (bfloat16 or is_one_of(NUMBERS, inner)):
        hint = f", which may be bfloat16: write float32, or name the type in {_TYPE_NAME.decode()}" if two_bytes else ""
        raise FormatError(
            f"expected columns of numbers, got {excerpt(field.name)} of the type {str(field.type)[:60]}{hint}"
        )
    packed = types.is_integer(inner) and not bfloat16
    scaling = scaling_of(metadata, field.name) if packed else None
    column = NumberColumn(place, field.name, lists, 0 if lists else 1, bfloat16, scaling)
    if not lists:
        return column.of_length(1)
    return column.of_length(kind.list_size) if types.is_fixed_size_list(kind) and kind.list_size > 0 else column


def holds_lists(kind: Any) -> bool:
    """Return whether values of a type are lists; tensors of a fixed shape are stored as such."""
    return is_one_of(_LISTS, _storage(kind))


def is_one_of(kinds: Sequence[Any], kind: Any) -> bool:
    """Return whether one of some predicates holds for a type."""
    return any(holds(kind) for holds in kinds)


def _storage(kind: Any) -> Any:
    return kind.storage_type if getattr(kind, "extension_name", "") == _TENSOR else kind
