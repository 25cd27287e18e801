"""``application/x-recordio-protobuf``: a Record a row, answered by a Record with labels.

Records of one request mostly differ in nothing but the bytes of their numbers, in requests and answers alike: they are
read and written as a table of bytes.

Batch transform takes the frames off when it splits a file into single records. A body that does not begin with the
magic is therefore read as one record without a frame; a record of an ordinary writer cannot begin with these bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError, located
from container.formats.recordio import frames, messages, records
from container.formats.recordio.layout import layout_of, plain_layout
from container.formats.recordio.record_pb2 import Bytes, Record
from container.formats.recordio.spans import Spans, spans_of, windows
from container.formats.recordio.wire import HEADER_BYTES
from container.serving.codecs.codec import Instances, Predictions, rows_in_block

MEDIA_TYPE = "application/x-recordio-protobuf"

# For fewer bytes than these, learning the layout of a record takes longer than the protobuf library does.
_MIN_BYTES = 1 << 14

_Bytes = NDArray[np.uint8]


def decode(
    body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> Iterator[Instances]:
    """Yield the rows of framed records, or of one without a frame; uid and metadata are kept."""
    layout = plain_layout(feature_dim)
    most = rows_in_block(feature_dim)
    parts = iter(body)
    data, read = b"", 0
    learning = True
    while len(more := _at_least_twice(data, parts)) > len(data):
        data, position = more, 0
        if not read and not data.startswith(frames.MAGIC_BYTES[: len(data)]):
            yield _bare_record(b"".join([data, *parts]), feature_dim, dtype, gaps=gaps)
            return
        while True:
            if learning and len(data) - position > _MIN_BYTES and not layout.count_alike(data, position, 1):
                layout = layout_of(data, position, feature_dim) or layout
            block, used = layout.read(data, position, most, dtype)
            if not used:
                with located(read + 1):
                    payloads, used = frames.some_payloads(data, position, most)
                block = messages.read(payloads, feature_dim, read, dtype, gaps=gaps)
                # The layout of the first one was of no use for the others, and that of the next one will hardly be.
                learning &= used <= _MIN_BYTES
            if not used:
                break
            yield Instances(*block)
            position += used
            read += len(block.rows)
        data = data[position:]
    if data:
        # The end came too early: this says in what.
        with located(read + 1):
            frames.next_record(data, 0)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Yield a framed record for each row, with the uid and metadata of the request's."""
    for block in blocks:
        columns = {name: values.astype("<f4").reshape(len(values), -1) for name, values in block.columns.items()}
        answer, dtype = _answer_layout(tuple((name, values.shape[1]) for name, values in columns.items()))
        answers = np.tile(answer, len(next(iter(columns.values())))).view(dtype)
        for name, values in columns.items():
            answers[name] = values
        if block.identities is None:
            yield answers.tobytes()
        else:
            yield _with_identities(answers.view(np.uint8).reshape(len(answers), -1), block.identities)


def _at_least_twice(data: bytes, parts: Iterator[bytes]) -> bytes:
    """Return data and what follows: more than as many bytes again, unless there are no more.

    A record that has not ended is looked at from its beginning each time, so that this must be seldom.
    """
    # One piece alone is joined without a copy.
    pieces, size = [data] if data else [], 0
    while size <= len(data) and (part := next(parts, None)) is not None:
        pieces.append(part)
        size += len(part)
    return b"".join(pieces)


def _bare_record(body: bytes, feature_dim: int, dtype: DTypeLike, *, gaps: bool) -> Instances:
    """Return the row of one record without a frame.

    Raises
    ------
    FormatError
        If the body is anything else. Several records, one after the other, would count as one that has the row of the
        last; they show by a feature that comes more than once.
    """
    try:
        features = records.parse(body).features
    except FormatError:
        features = {}
    if not features:
        # Not even that: the error says what a frame begins with.
        list(frames.split_frames(body))
    # A message of bytes has them, any number of them, in the field in which a record has its features.
    if len(Bytes.FromString(body).value) > len(features):
        raise FormatError("expected frames, or one record without a frame, got several without", record=1)
    return Instances(*messages.read(spans_of([body]), feature_dim, 0, dtype, gaps=gaps))


def _with_identities(framed: _Bytes, identities: Spans) -> bytes:
    """Return frames with more in their payloads: a message may come in pieces, one after the other."""
    (length,) = framed[0, 4:HEADER_BYTES].view("<u4")
    head = HEADER_BYTES + int(length)
    # The header needs no padding.
    sizes = frames.padded(head + identities.ends - identities.begins)
    begins = np.cumsum(sizes) - sizes
    answer = np.empty(sizes.sum(), np.uint8)
    for which, strings in identities.groups():
        end = head + strings.shape[1]
        size = int(sizes[which[0]])
        longer = np.zeros((len(which), size), np.uint8)
        longer[:, :head] = framed[which, :head]
        longer[:, 4:HEADER_BYTES] = np.array([end - HEADER_BYTES], "<u4").view(np.uint8)
        longer[:, head:end] = strings
        windows(answer, size)[begins[which]] = longer.view(f"V{size}")[:, 0]
    return answer.tobytes()


@lru_cache(maxsize=16)
def _answer_layout(widths: tuple[tuple[str, int], ...]) -> tuple[_Bytes, np.dtype[Any]]:
    """Return the frame of an answer of zeros, and where in it the numbers of each output are."""
    zeros = {name: np.zeros(width, "<f4") for name, width in widths}
    frame = np.frombuffer(_framed_answer(zeros), np.uint8)
    offsets = []
    for name, width in widths:
        # A number of which no byte is 0 shows its place.
        mark = np.frombuffer(b"ABCD" * width, "<f4")
        marked = np.frombuffer(_framed_answer(zeros | {name: mark}), np.uint8)
        offsets.append(int(np.flatnonzero(marked != frame)[0]))
    dtype = np.dtype(
        {
            "names": [name for name, _ in widths],
            "formats": [("<f4", (width,)) for _, width in widths],
            "offsets": offsets,
            "itemsize": len(frame),
        }
    )
    return frame, dtype


def _framed_answer(columns: Mapping[str, NDArray[np.float32]]) -> bytes:
    record = Record()
    for name, numbers in columns.items():
        record.label[name].float32_tensor.values.extend(numbers.tolist())
    # The library writes a map in an order that differs from run to run unless it is asked not to.
    return frames.frame(record.SerializeToString(deterministic=True))
