"""``application/x-recordio-protobuf``: a Record a row, answered by a Record with labels.

Records of one request mostly differ in nothing but the bytes of their numbers, in requests and answers alike. Those
are read and written as a table of bytes. Others are read in lockstep, or go through the protobuf library one by one.

Batch transform takes the frames off when it splits a file into single records. A body that does not begin with the
magic is therefore read as one record without a frame; a record of an ordinary writer cannot begin with these bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError, IncompleteError
from container.formats.recordio import records as recordio
from container.formats.recordio.record_pb2 import Bytes, Record
from container.serving.codecs import records, table
from container.serving.codecs.codec import Instances, Predictions, rows_in_block
from container.serving.codecs.spans import Spans, spans_of, windows

MEDIA_TYPE = "application/x-recordio-protobuf"

# Split records are read together, so many of them, before others are looked for.
_SPLIT_RECORDS = 1024
# To learn the layout of a record costs as much as to read a few with the protobuf library.
_FEW_BYTES = 1 << 14

_MAGIC = recordio.MAGIC.to_bytes(4, "little")

_Bytes = NDArray[np.uint8]


def decode(body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32) -> Iterator[Instances]:
    """Read framed records, or one without a frame; uid and metadata are kept."""
    layout = table.plain_layout(feature_dim)
    most = rows_in_block(feature_dim)
    parts = iter(body)
    data, read = b"", 0
    learning = True
    while len(more := _at_least_twice(data, parts)) > len(data):
        data, position = more, 0
        if not read and not data.startswith(_MAGIC[: len(data)]):
            yield _bare_record(b"".join([data, *parts]), feature_dim, dtype)
            return
        while True:
            if learning and len(data) - position > _FEW_BYTES and not table.like(data, position, 1, layout):
                layout = table.layout_of(data, position, feature_dim) or layout
            block, used = table.read(data, position, most, layout, dtype)
            if not used:
                messages, used = _messages(data, position, most, read)
                block = records.read(messages, feature_dim, read, dtype)
                # The layout of the first one was of no use for the others, and that of the next one will hardly be.
                learning &= used <= _FEW_BYTES
            if not used:
                break
            yield block
            position += used
            read += len(block.rows)
        data = data[position:]
    if data:
        # The end came too early: this says in what.
        try:
            recordio.next_record(data, 0)
        except FormatError as error:
            error.record = read + 1
            raise


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write a framed record a row, with the uid and metadata of the request's."""
    for block in blocks:
        columns = {name: values.astype("<f4").reshape(len(values), -1) for name, values in block.columns.items()}
        frame, dtype = _answer_layout(tuple((name, values.shape[1]) for name, values in columns.items()))
        answers = np.tile(frame, len(next(iter(columns.values())))).view(dtype)
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


def _bare_record(body: bytes, feature_dim: int, dtype: DTypeLike) -> Instances:
    """Read one record without a frame.

    Raises
    ------
    FormatError
        If the body is anything else. Several records, one after the other, would count as one that has the row of the
        last; they show by a feature that comes more than once.
    """
    try:
        features = recordio.parse(body).features
    except FormatError:
        features = {}
    if not features:
        # Not even that: it is told what a frame begins with.
        list(recordio.split_frames(body))
    # A message of bytes has them, any number of them, in the field in which a record has its features.
    if len(Bytes.FromString(body).value) > len(features):
        raise FormatError("expected frames, or one record without a frame, got several without", record=1)
    return records.read(spans_of([body]), feature_dim, 0, dtype)


def _with_identities(frames: _Bytes, identities: Spans) -> bytes:
    """Add to the payload of each frame: a message may come in pieces, one after the other."""
    (length,) = frames[0, 4 : recordio.HEADER_BYTES].view("<u4")
    head = recordio.HEADER_BYTES + int(length)
    # The header needs no padding.
    sizes = recordio.padded(head + identities.ends - identities.begins)
    begins = np.cumsum(sizes) - sizes
    answer = np.empty(sizes.sum(), np.uint8)
    for which, strings in identities.groups():
        end = head + strings.shape[1]
        size = int(sizes[which[0]])
        longer = np.zeros((len(which), size), np.uint8)
        longer[:, :head] = frames[which, :head]
        longer[:, 4 : recordio.HEADER_BYTES] = np.array([end - recordio.HEADER_BYTES], "<u4").view(np.uint8)
        longer[:, head:end] = strings
        windows(answer, size)[begins[which]] = longer.view(f"V{size}")[:, 0]
    return answer.tobytes()


def _messages(data: bytes, position: int, most: int, read: int) -> tuple[Spans, int]:
    """Give up to `most` messages, without the frames around them, and the bytes of both."""
    if 0 < recordio.frame_bytes(data[position : position + recordio.HEADER_BYTES]) <= len(data) - position:
        return _in_whole_frames(data, position, most)
    begin = position
    messages: list[bytes] = []
    try:
        while position < len(data) and len(messages) < min(most, _SPLIT_RECORDS):
            message, position = recordio.next_record(data, position)
            messages.append(message)
    except IncompleteError:
        # The rest of it is still to come.
        pass
    except FormatError as error:
        if not messages:
            error.record = read + 1
            raise
    return spans_of(messages), position - begin


def _in_whole_frames(data: bytes, position: int, most: int) -> tuple[Spans, int]:
    """Return the first message, which is whole, and others up to one that is not, and the bytes of all."""
    words = np.frombuffer(data, "<u4", (len(data) - position) // 4, position)
    magics = np.flatnonzero(words[:-1] == recordio.MAGIC)
    ends = magics + _frame_words(words[magics + 1])
    if not np.array_equal(magics[1:], ends[:-1]):
        magics = magics[_chain(magics, ends)]
    magics = magics[:most]
    lengths = words[magics + 1].astype(np.int64)
    ends = magics + _frame_words(lengths)
    whole = (lengths <= recordio.MAX_PAYLOAD_BYTES) & (ends <= len(words))
    count = len(whole) if whole.all() else int(whole.argmin())
    begins = position + 4 * magics[:count] + recordio.HEADER_BYTES
    return Spans(data, begins, begins + lengths[:count]), 4 * int(ends[count - 1])


def _frame_words(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    return recordio.padded(recordio.HEADER_BYTES + lengths.astype(np.int64)) // 4


def _chain(magics: NDArray[np.int64], ends: NDArray[np.int64]) -> list[int]:
    """Return which magics begin frames: the first, and each one where a frame ends; others are within a record."""
    following = np.searchsorted(magics[:-1], ends)
    following[magics[following] != ends] = -1
    nexts = following.tolist()
    chain = [0]
    while (one := nexts[chain[-1]]) >= 0:
        chain.append(one)
    return chain


@lru_cache(maxsize=16)
def _answer_layout(widths: tuple[tuple[str, int], ...]) -> tuple[_Bytes, np.dtype[Any]]:
    """Give the frame of an answer of zeros, and where in it the numbers of each output are."""
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
    # The library writes a map in an order that differs from run to run unless it is told not to.
    return recordio.frame(record.SerializeToString(deterministic=True))
