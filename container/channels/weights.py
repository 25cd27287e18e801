"""Rows with weights: these are checked, and rows of weight 0 are left out."""

import numpy as np

from container.channels.dropping import DroppingReader
from container.channels.reader import Reader, RowArray
from container.formats.errors import InfiniteValueError, MissingValueError, WeightError, excerpt, located
from kmeans.types import BoolArray


class WeightsReader(DroppingReader):
    """The rows of another reader, the last number of which is the weight; without those of weight 0.

    Parameters
    ----------
    reader : Reader
        At its beginning.
    name : str
        The name of the weights, for errors.
    every_row : bool
        Whether rows of weight 0 are kept.
    """

    def __init__(self, reader: Reader, name: str, *, every_row: bool = False) -> None:
        super().__init__(reader)
        self._name, self._every_row = name, every_row

    def _read(self, out: RowArray) -> int:
        try:
            return super()._read(out)
        except (MissingValueError, InfiniteValueError) as error:
            if error.column is None or error.column != self._reader.weight_column:
                raise
            wrong = WeightError(error.text, record=error.record, column=error.column)
            wrong.noun = error.noun
            raise wrong from None

    def _kept(self, rows: RowArray, before: int) -> BoolArray:
        weights = rows[:, -1]
        # NaN is no weight either.
        right = (weights >= 0) & (weights < np.inf)
        if not right.all():
            first = int(right.argmin())
            with located(noun=self._reader.noun):
                raise WeightError(
                    f"expected a weight of 0 or more in {excerpt(self._name)}, got {weights[first]:g}",
                    record=self._reader.lines_before + before + first + 1,
                    column=self._reader.weight_column,
                )
        return np.ones(len(rows), bool) if self._every_row else weights > 0
