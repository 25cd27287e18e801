"""Many Record messages at once: those of an ordinary form together, all others one by one."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import located
from container.formats.recordio import lockstep, records
from container.formats.recordio.spans import Offsets, Spans, spans_of

# Fewer messages take as long together as one by one.
_MIN_TOGETHER = 48
# The number of forms that are looked for among the messages.
_MAX_FORMS = 8


class DecodedRows(NamedTuple):
    """The rows of records, and what these say of themselves.

    Attributes
    ----------
    rows : ndarray of float32 or float64, shape (n, feature_dim)
        Numbers that are finite in float32, but for gaps.
    identities : Spans of n, or None
        A Record message of uid and metadata for each, empty where it has neither; None where none has any.
    """

    rows: NDArray[Any]
    identities: Spans | None


def read(
    messages: Spans, feature_dim: int, before: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> DecodedRows:
    """Return the rows of messages.

    Parameters
    ----------
    messages : Spans
        Any bytes.
    feature_dim : int
        The numbers a row must have.
    before : int
        The number of records that came before these, for an error.
    dtype : type
        That of the rows, float32 or float64.
    gaps : bool
        As for `records.features`.

    Returns
    -------
    DecodedRows
        One for each message.

    Raises
    ------
    FormatError
        As `records.parse`, `records.identity` and `records.features`, with the number of the record.
    """
    forms: list[tuple[Offsets, lockstep.Alike]] = []
    others: list[int] = []
    left = np.arange(len(messages))
    for _ in range(_MAX_FORMS):
        if len(left) < _MIN_TOGETHER:
            break
        try:
            alike = lockstep.read(messages.part(left), feature_dim, dtype)
        except lockstep.OtherFormError:
            others.append(int(left[0]))
            left = left[1:]
            continue
        if len(alike.which) == len(messages):
            return DecodedRows(alike.rows, alike.identities)
        forms.append((left[alike.which], alike))
        left = np.delete(left, alike.which)
    others += left.tolist()
    rows = np.zeros((len(messages), feature_dim), dtype)
    begins, ends = np.zeros((2, len(messages)), np.int64)
    for which, alike in forms:
        rows[which] = alike.rows
        if alike.identities is not None:
            begins[which], ends[which] = alike.identities.begins, alike.identities.ends
    identities = []
    with located() as place:
        for number, message in zip(others, messages.part(np.array(others, np.int64)).strings(), strict=True):
            place.record = before + number + 1
            record = records.parse(message)
            identities.append(records.identity(record))
            rows[number] = records.features(record, feature_dim, dtype, gaps=gaps)
    data = messages.data
    if any(identities):
        made = spans_of(identities)
        begins[others], ends[others] = made.begins + len(data), made.ends + len(data)
        data += made.data
    return DecodedRows(rows, Spans(data, begins, ends) if ends.any() else None)
