"""Rows out of RecordIO-protobuf streams, with their weights: a feature of each Record, next to the one of the row."""

import io

import numpy as np
from numpy.typing import NDArray

from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import Reader, RowArray
from container.channels.recordio_reader import RecordIOReader
from container.formats.errors import located
from container.formats.recordio import frame_kernel, records, weight_kernel
from kmeans.types import DoubleArray

# Numbers of rows that are read at once.
_TOGETHER_NUMBERS = 1 << 16


class WeightedRecordIOReader(RecordIOReader):
    """Reads RecordIO-protobuf with weights, which are the last numbers of the rows."""

    # Records with weights are not alike: nothing is known of them before they are read.
    packed, count, pick = Reader.packed, Reader.count, Reader.pick

    def __init__(
        self,
        stream: io.RawIOBase | io.BytesIO,
        form: RecordForm,
        resources: ReaderResources | None = None,
    ) -> None:
        super().__init__(stream, form, resources)
        self._name = np.frombuffer(bytearray(form.selection.weight.encode()), np.uint8)

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        row = 0
        n_features = self.form.feature_dim
        most = max(1, _TOGETHER_NUMBERS // n_features)
        weights: DoubleArray = np.empty(min(len(out), most))
        while row < len(out):
            window = self.window
            some = weights[: len(out) - row]
            status, count = weight_kernel.weights(window.buffer, window.begin, window.end, self._name, some)
            if not count:
                if status == frame_kernel.MORE and (window.fill() or not window.content):
                    if not window.content:
                        break
                    continue
                self._read_one(out[row])
                row += 1
                continue
            rows: RowArray = np.empty((int(count), n_features), out.dtype)
            before = self.records
            try:
                super().read(rows)
            finally:
                done = self.records - before
                out[row : row + done, :n_features] = rows[:done]
                out[row : row + done, n_features] = some[:done]
            row += done
        return row

    def _read_one(self, row: NDArray[np.floating]) -> None:
        """Read a record that is not plain, or cut off."""
        name = self.form.selection.weight
        with located(self.records + 1):
            record = records.parse(self._payload())
            row[:-1] = records.features(record, self.form.feature_dim, row.dtype, gaps=self.form.gaps)
            row[-1] = records.weight(record, name)
            self.records += 1
