"""Many Record messages at once: those of an ordinary form together, all others one by one."""

import numpy as np
from numpy.typing import DTypeLike

from container.formats.errors import FormatError
from container.formats.recordio import records as recordio
from container.formats.recordio.record_pb2 import Record
from container.serving.codecs import lockstep
from container.serving.codecs.codec import Instances
from container.serving.codecs.spans import Offsets, Spans, spans_of

# So few messages take as long together as one by one.
_FEW_MESSAGES = 48
# Among the messages of a block, so many forms are looked for.
_MOST_FORMS = 8


def read(messages: Spans, feature_dim: int, before: int, dtype: DTypeLike = np.float32) -> Instances:
    """Read messages.

    Parameters
    ----------
    messages : Spans
        Any bytes.
    feature_dim : int
        The numbers a row must have.
    before : int
        How many records there were before these, for an error.
    dtype : type
        That of the rows, float32 or float64.

    Returns
    -------
    Instances
        A row a message.

    Raises
    ------
    FormatError
        As `container.formats.recordio.features` or `identity`, with the number of the record.
    """
    forms: list[tuple[Offsets, lockstep.Alike]] = []
    others: list[int] = []
    left = np.arange(len(messages))
    for _ in range(_MOST_FORMS):
        if len(left) < _FEW_MESSAGES:
            break
        try:
            alike = lockstep.read(messages.part(left), feature_dim, dtype)
        except lockstep.OtherFormError:
            others.append(int(left[0]))
            left = left[1:]
            continue
        if len(alike.which) == len(messages):
            return Instances(alike.rows, alike.identities)
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
    for number, message in zip(others, messages.part(np.array(others, np.int64)).strings(), strict=True):
        try:
            record = recordio.parse(message)
            identities.append(identity(record))
            rows[number] = recordio.features(record, feature_dim, dtype)
        except FormatError as error:
            error.record = before + number + 1
            raise
    data = messages.data
    if any(identities):
        made = spans_of(identities)
        begins[others], ends[others] = made.begins + len(data), made.ends + len(data)
        data += made.data
    return Instances(rows, Spans(data, begins, ends) if ends.any() else None)


def identity(record: Record) -> bytes:
    """Give a message of what is to be echoed, the uid and metadata of a record.

    Raises
    ------
    FormatError
        If one is not UTF-8: the protobuf library reads such strings, but does not write them.
    """
    echoed = Record()
    for name in ("uid", "metadata"):
        if record.HasField(name):
            value: str | bytes = getattr(record, name)
            if isinstance(value, bytes):
                raise FormatError(f"expected {name} to be UTF-8, got {value[:20]!r}")
            setattr(echoed, name, value)
    written: bytes = echoed.SerializeToString()
    return written
