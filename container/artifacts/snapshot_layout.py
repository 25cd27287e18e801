"""How the snapshot of a run is laid out in a file: arrays by name, and all other fields (the facts) as JSON.

Both follow from the fields of its dataclasses; see `kmeans.stream.snapshot`.
"""

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, TypeVar, get_type_hints

from numpy.typing import NDArray

from kmeans.stream.snapshot import DTYPE, GROUP, N_DIMS, OPTIONAL, PREFIX

Part = TypeVar("Part")
Arrays = dict[str, NDArray[Any]]


def layout(kind: type, prefix: str = "", *, optional: bool = False) -> dict[str, tuple[str, int]]:
    """Return the type and the number of dimensions of each array of a kind of snapshot, by name.

    They are those that every file has or, if `optional`, those that it may have.
    """
    found: dict[str, tuple[str, int]] = {}
    parts = get_type_hints(kind)
    for field in fields(kind):
        if DTYPE in field.metadata:
            if field.metadata[OPTIONAL] == optional:
                found[prefix + field.name] = field.metadata[DTYPE], field.metadata[N_DIMS]
        elif PREFIX in field.metadata:
            found |= layout(parts[field.name], prefix + field.metadata[PREFIX], optional=optional)
    return found


def arrays_of(snapshot: Any, prefix: str = "") -> Arrays:
    """Return the arrays of a snapshot by name; they are not copied."""
    found: Arrays = {}
    for field, value in _given(snapshot):
        if DTYPE in field.metadata:
            found[prefix + field.name] = value
        elif PREFIX in field.metadata:
            found |= arrays_of(value, prefix + field.metadata[PREFIX])
    return found


def facts_of(snapshot: Any) -> dict[str, Any]:
    """Return everything else in a snapshot, as JSON can hold it."""
    facts: dict[str, Any] = {}
    for field, value in _given(snapshot):
        if PREFIX in field.metadata:
            own = facts_of(value)
            facts |= {field.metadata[GROUP]: own} if field.metadata[GROUP] else own
        elif DTYPE not in field.metadata:
            facts[field.name] = value
    return facts


def snapshot_of(kind: type[Part], arrays: Arrays, facts: dict[str, Any], prefix: str = "") -> Part:
    """Return the snapshot that has these arrays and facts, which must be complete; others are ignored."""
    values: dict[str, Any] = {}
    parts = get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]  # a dataclass
        name, metadata = field.name, field.metadata
        if metadata.get(OPTIONAL):
            values[name] = arrays.get(prefix + name) if DTYPE in metadata else facts.get(name)
        elif DTYPE in metadata:
            values[name] = arrays[prefix + name]
        elif PREFIX in metadata:
            own = facts[metadata[GROUP]] if metadata[GROUP] else facts
            values[name] = snapshot_of(parts[name], arrays, own, prefix + metadata[PREFIX])
        else:
            values[name] = facts[name]
    return kind(**values)


def _given(snapshot: Any) -> Iterator[tuple[Field[Any], Any]]:
    """Yield the fields of a snapshot with their values, without optional ones that are None."""
    for field in fields(snapshot):
        value = getattr(snapshot, field.name)
        if value is not None or not field.metadata.get(OPTIONAL):
            yield field, value
