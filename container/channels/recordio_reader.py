"""Rows out of RecordIO-protobuf streams."""

import io
import os
import stat

import numpy as np
from numpy.typing import NDArray

from container.channels.reader import ByteReader, RowArray, WrongGuessError
from container.formats.errors import IncompleteError, located
from container.formats.recordio import frame_kernel, frames, records
from container.formats.recordio.wire import HEADER_BYTES
from kmeans.kernels.jit import INTERPRETED
from kmeans.kernels.packed import WORD
from kmeans.packed_rows import PackedRows
from kmeans.types import FloatArray

# What a usual record has in addition to its numbers, at most.
_USUAL_HEAD_BYTES = 256
# Records that `pick` gathers before it decodes them.
_PICKED_TOGETHER = 1024


class RecordIOReader(ByteReader):
    """Reads RecordIO-protobuf: plain records by the kernel, all others by the reference decoder."""

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        window, row = self.window, 0
        with located() as place:
            while row < len(out):
                status, begin, end = frame_kernel.decode(window.buffer, window.begin, window.end, out, row)
                window.begin = int(begin)
                self.records += int(end) - row
                row, place.record = int(end), self.records + 1
                if status == frame_kernel.MORE and (window.fill() or not window.content):
                    if not window.content:
                        break
                elif status != frame_kernel.FULL:
                    record = records.parse(self._payload())
                    out[row] = records.features(record, self.width, out.dtype, gaps=self.form.gaps)
                    self.records += 1
                    row += 1
        return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        window, skipped = self.window, 0
        with located() as place:
            while skipped < count:
                status, begin, passed = frame_kernel.skip(window.buffer, window.begin, window.end, count - skipped)
                window.begin = int(begin)
                self.records += int(passed)
                skipped, place.record = skipped + int(passed), self.records + 1
                if status == frame_kernel.MORE and (window.fill() or not window.content):
                    if not window.content:
                        break
                elif status != frame_kernel.FULL:
                    self._payload()
                    self.records += 1
                    skipped += 1
        return skipped

    def packed(self, multiple: int) -> PackedRows | None:
        """See `Reader.packed`."""
        window = self.window
        if INTERPRETED or not (window.content or window.fill()):
            return None
        if len(window.content) < HEADER_BYTES + 4 * self.width + _USUAL_HEAD_BYTES:
            window.fill()
        row: FloatArray = np.empty((1, self.width), np.float32)
        values_at, size = map(int, frame_kernel.layout(window.buffer, window.begin, window.end, row))
        if values_at < WORD:
            return None
        n_rows = (os.fstat(self.stream.fileno()).st_size - window.position) // size
        head = bytes(window.content[:values_at])
        whole = n_rows // multiple * multiple
        return PackedRows.of_file(whole, self.stream.fileno(), window.position, size, head, self.width)

    def passed(self, packed: PackedRows) -> None:
        """See `Reader.passed`."""
        if packed.taken:
            self.window.move_on(packed.begin)
            self.records += packed.taken

    def count(self, *, guess: bool) -> int:
        """See `Reader.count`; the guess is that all frames have the size of the first one, if that divides the file's.

        If it is wrong, `pick` notices, unless none of the records it is asked for shows it. A few records of other
        sizes, which happen to make up for each other, may thus be drawn a little too rarely.
        """
        size, in_all = self._frame_bytes() if guess else (0, 0)
        return in_all // size if size else super().count(guess=False)

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """See `Reader.pick`."""
        size, _ = self._frame_bytes() if guess else (0, 0)
        if not size:
            super().pick(numbers, out, guess=False)
            return
        file = self.stream.fileno()
        header = os.pread(file, HEADER_BYTES, 0)
        for begin in range(0, len(numbers), _PICKED_TOGETHER):
            some = numbers[begin : begin + _PICKED_TOGETHER].tolist()
            picked = [os.pread(file, size, number * size) for number in some]
            if not all(len(frame) == size and frame.startswith(header) for frame in picked):
                raise WrongGuessError
            self._decode_picked(picked, some, out[begin : begin + len(some)])

    def _decode_picked(self, picked: list[bytes], numbers: list[int], out: RowArray) -> None:
        with located(renumber=lambda record: numbers[record - 1] + 1):
            RecordIOReader(io.BytesIO(b"".join(picked)), self.form).read(out)

    def _frame_bytes(self) -> tuple[int, int]:
        """Return the size of the first frame, 0 if it does not divide that of the file, and the size of the file."""
        status = os.fstat(self.stream.fileno())
        header = os.pread(self.stream.fileno(), HEADER_BYTES, 0) if stat.S_ISREG(status.st_mode) else b""
        size = frames.frame_bytes(header)
        return (size if size and status.st_size % size == 0 else 0), status.st_size

    def _payload(self) -> bytes:
        """Consume the next record, whatever it looks like; return its payload."""
        while True:
            try:
                payload, size = frames.next_record(self.window.content, 0)
            except IncompleteError:
                if not self.window.fill():
                    raise
            else:
                self.window.begin += size
                return payload
