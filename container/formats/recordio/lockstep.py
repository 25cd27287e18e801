"""Many Record messages of one form, read in lockstep: field after field, each in all messages at once.

The first message shows which fields there are and in which order. Others follow it as long as they have the same
fields, however long these are. Messages that do not, and a form that no ordinary writer uses, are left to
`container.formats.recordio.records`: nothing is refused here.
"""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.numbers import held
from container.formats.recordio import wire
from container.formats.recordio.record_pb2 import Float32Tensor
from container.formats.recordio.spans import Offsets, Spans
from container.formats.tensor import added_up

# The tags of the fields that a message may have here.
_RECORD: Final = (wire.FEATURES, wire.LABEL, wire.UID, wire.METADATA, wire.CONFIGURATION)
_ENTRY: Final = (wire.ENTRY_KEY, wire.ENTRY_VALUE)
_VALUES, _KEYS, _SHAPE = _TENSOR = tuple(map(wire.tag, (wire.VALUES, wire.KEYS, wire.SHAPE)))
_DTYPES: Final[dict[int, np.dtype[np.floating]]] = {
    wire.FLOAT32_TENSOR: np.dtype("<f4"),
    wire.FLOAT64_TENSOR: np.dtype("<f8"),
}


class OtherFormError(Exception):
    """The first message, or a number or a text of one that follows it, is not of an ordinary form."""


class Alike(NamedTuple):
    """Messages of one form.

    Attributes
    ----------
    which : ndarray of int64, shape (m,)
        Their numbers, from 0.
    rows : ndarray of float32 or float64, shape (m, feature_dim)
        Their rows.
    identities : Spans of m, or None
        Their uid and metadata, as Record messages; None where they have none.
    """

    which: Offsets
    rows: NDArray[Any]
    identities: Spans | None


def read(messages: Spans, feature_dim: int, row_type: DTypeLike = np.float32) -> Alike:
    """Read the first message and all that are of its form.

    Parameters
    ----------
    messages : Spans
        At least one; any bytes.
    feature_dim : int
        The numbers a row must have.
    row_type : type
        That of the rows, float32 or float64.

    Returns
    -------
    Alike
        What `container.formats.recordio.records` would read.

    Raises
    ------
    OtherFormError
        If they are to be read, or refused, by that.
    """
    walk = _Walk(messages.data, len(messages))
    record = walk.fields(_Field(messages.begins, messages.begins, messages.ends), _RECORD)
    if wire.FEATURES not in record:
        raise OtherFormError
    dtype, tensor = walk.tensor(record[wire.FEATURES])
    if wire.LABEL in record:
        # Labels have no meaning, but must be well formed.
        label_dtype, label = walk.tensor(record[wire.LABEL])
        if label.keys() != {_VALUES}:
            raise OtherFormError
        walk.alike &= label[_VALUES].length % label_dtype.itemsize == 0
    if _SHAPE in tensor:
        # All may have the shape [d], or all [1, d], which is longer.
        shapes = (_shape(feature_dim), _shape(1, feature_dim))
        walk.follow(tensor[_SHAPE], shapes[int(tensor[_SHAPE].length[0] > len(shapes[0]))])
    if _KEYS in tensor:
        if _VALUES not in tensor:
            raise OtherFormError
        # Without a key it would be dense.
        walk.alike &= tensor[_KEYS].length > 0
    elif _VALUES in tensor:
        walk.alike &= tensor[_VALUES].length == feature_dim * dtype.itemsize
    elif _SHAPE not in tensor:
        raise OtherFormError
    if not walk.alike[0]:
        raise OtherFormError
    which = np.flatnonzero(walk.alike)
    if _KEYS in tensor:
        keys, values = (tensor[tag].spans(messages.data, which) for tag in (_KEYS, _VALUES))
        rows = _sparse_rows(keys, values, dtype, feature_dim, row_type)
    elif _VALUES in tensor:
        ((_, octets),) = tensor[_VALUES].spans(messages.data, which).groups()
        rows = _finite(octets.view(dtype), row_type)
    else:
        rows = np.zeros((len(which), feature_dim), row_type)
    return Alike(which, rows, _identities(record, messages.data, which))


class _Field(NamedTuple):
    """A field in each message: where its tag is, and where its content begins and ends."""

    tags: Offsets
    begins: Offsets
    ends: Offsets

    @property
    def length(self) -> Offsets:
        return self.ends - self.begins

    def spans(self, data: bytes, which: Offsets) -> Spans:
        return Spans(data, self.begins[which], self.ends[which])


class _Walk:
    """A walk through messages, all at once.

    Messages that turn out to be unlike the first one are walked through all the same: their offsets mean nothing from
    there on, and may be beyond the data.

    Attributes
    ----------
    alike : ndarray of bool, shape (n,)
        Which messages are like the first one, as far as has been seen.
    """

    def __init__(self, data: bytes, count: int) -> None:
        self._octets = np.frombuffer(data, np.uint8)
        self.alike = np.ones(count, np.bool_)

    def fields(self, messages: _Field, known: Collection[int]) -> dict[int, _Field]:
        """Return the fields of messages by their tags; the first message must not have one twice."""
        found: dict[int, _Field] = {}
        tags = messages.begins
        while tags[0] < messages.ends[0]:
            tag = int(self._octets[tags[0]])
            if tag not in known or tag in found:
                raise OtherFormError
            self.alike &= self._at(tags) == tag
            lengths, begins = self._varints(tags + 1)
            found[tag] = _Field(tags, begins, begins + lengths)
            tags = found[tag].ends
        # Offsets only grow: where the last field ends with the message, none before it went beyond.
        self.alike &= tags == messages.ends
        if not self.alike[0]:
            raise OtherFormError
        return found

    def tensor(self, entries: _Field) -> tuple[np.dtype[np.floating], dict[int, _Field]]:
        """Return the tensor of floats that an entry of a map has under the name of the row: its type and its fields."""
        entry = self.fields(entries, _ENTRY)
        if len(entry) != 2:
            raise OtherFormError
        self.follow(entry[wire.ENTRY_KEY], wire.ROW_NAME)
        value = self.fields(entry[wire.ENTRY_VALUE], _DTYPES.keys())
        if len(value) != 1:
            raise OtherFormError
        ((kind, tensors),) = value.items()
        return _DTYPES[kind], self.fields(tensors, _TENSOR)

    def follow(self, field: _Field, content: bytes) -> None:
        """Require a field to be these bytes."""
        self.alike &= field.length == len(content)
        for offset, octet in enumerate(content):
            self.alike &= self._at(field.begins + offset) == octet

    def _at(self, offsets: Offsets) -> NDArray[np.uint8]:
        return self._octets.take(offsets, mode="clip")

    def _varints(self, offsets: Offsets) -> tuple[Offsets, Offsets]:
        """Return varints of up to four bytes, in the shortest form, and where they end."""
        octets = self._at(offsets)
        numbers, offsets = octets.astype(np.int64), offsets + 1
        for shift in (7, 14, 21):
            more = octets > 127
            if not more.any():
                return numbers, offsets
            octets = np.where(more, self._at(offsets), 0)
            # The mark of the octet before, 128, was counted in.
            numbers += np.where(more, octets.astype(np.int64) - 1, 0) << shift
            offsets = offsets + more
            self.alike &= ~more | (octets > 0)
        self.alike &= octets <= 127
        return numbers, offsets


def _finite(numbers: NDArray[np.number], row_type: DTypeLike) -> NDArray[Any]:
    rows, finite = held(numbers, row_type)
    if not finite.all():
        raise OtherFormError
    return rows


def _sparse_rows(
    keys: Spans, values: Spans, dtype: np.dtype[np.floating], feature_dim: int, row_type: DTypeLike
) -> NDArray[Any]:
    """Return rows with values in the columns that are their keys, if all keys are columns."""
    octets = keys.joined()
    last = octets < 128
    lengths = keys.ends - keys.begins
    ends = np.cumsum(lengths)
    counts = np.add.reduceat(last, ends - lengths, dtype=np.int64)
    if not last[ends - 1].all() or (counts * dtype.itemsize != values.ends - values.begins).any():
        raise OtherFormError
    columns = _packed(octets, last)
    if (columns >= feature_dim).any():
        raise OtherFormError
    places = np.repeat(np.arange(len(keys)) * feature_dim, counts) + columns
    numbers: NDArray[np.number] = values.joined().view(dtype)
    if (places[1:] <= places[:-1]).any():
        places, numbers = added_up(places, numbers)
    rows = np.zeros((len(keys), feature_dim), row_type)
    rows.reshape(-1)[places] = _finite(numbers, row_type)
    return rows


def _packed(octets: NDArray[np.uint8], last: NDArray[np.bool_]) -> Offsets:
    """Return varints of up to four octets that lie one after the other; `last` says which octets end one."""
    places = np.flatnonzero(last)
    numbers = octets[places].astype(np.int64)
    more = np.ones(len(places), np.bool_)
    for back in range(1, 5):
        before = octets.take(places - back, mode="clip")
        more &= (before > 127) & (places >= back)
        if not more.any():
            return numbers
        numbers = np.where(more, numbers << 7 | before & 127, numbers)
    raise OtherFormError


def _identities(record: dict[int, _Field], data: bytes, which: Offsets) -> Spans | None:
    """Return the part of each message that holds uid and metadata; these must be text, one after the other."""
    fields = [record[tag] for tag in (wire.UID, wire.METADATA) if tag in record]
    if not fields:
        return None
    if len(fields) == 2 and (fields[0].ends != fields[1].tags)[which].any():
        raise OtherFormError
    for field in fields:
        for _, strings in field.spans(data, which).groups():
            if strings.size and strings.max() > 127:
                _check_utf8(strings)
    return Spans(data, fields[0].tags[which], fields[-1].ends[which])


def _check_utf8(strings: NDArray[np.uint8]) -> None:
    lines = np.pad(strings, ((0, 0), (0, 1)), constant_values=ord("\n"))
    try:
        # The end of a line is never within a character.
        lines.tobytes().decode()
    except UnicodeDecodeError as error:
        raise OtherFormError from error


def _shape(*extents: int) -> bytes:
    """Return the content of a tensor's field of its shape."""
    field: bytes = Float32Tensor(shape=extents).SerializeToString()
    # Before it stand the tag and the length, of one octet each.
    return field[2:]
