"""What to read of a table: which of its columns, whether it has a header, whether numbers may be missing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from container.conversion.rows import width
from container.formats.columns import refuse_duplicates, shown_names
from container.formats.errors import FormatError, excerpt


@dataclass(frozen=True, slots=True)
class Options:
    """What to read of a table.

    Attributes
    ----------
    labels : int
        Leading columns to drop.
    columns : tuple of str
        The columns to read, in this order, by name or by number from 0; empty for all of them.
    header : bool
        Whether the first line of CSV has the names of the columns.
    gaps : bool
        Whether numbers may be missing: NaN stands for them then.
    """

    labels: int = 0
    columns: tuple[str, ...] = ()
    header: bool = False
    gaps: bool = False

    def chosen(self, count: int, names: Sequence[str] = ()) -> Sequence[int]:
        """Return the numbers, from 0, of the columns to read.

        Parameters
        ----------
        count : int
            The number of columns of the table.
        names : sequence of str, optional
            Their names; empty where they have none.

        Returns
        -------
        sequence of int
            A range if no columns are given.

        Raises
        ------
        FormatError
            If there are none or too many, if a column is not there or comes twice, or if a name is not unique.
        """
        refuse_duplicates(names)
        n_features = width(count, self.labels)
        if not self.columns:
            return range(count - n_features, count)
        numbers = {name: number for number, name in enumerate(names)}
        chosen = [self._number(column, count, numbers) for column in self.columns]
        if len(set(chosen)) < len(chosen):
            twice = next(number for number, times in Counter(chosen).items() if times > 1)
            raise FormatError(
                f"expected each of --columns once, got {excerpt(self.columns[chosen.index(twice)])} twice"
            )
        return chosen

    def _number(self, column: str, count: int, numbers: dict[str, int]) -> int:
        """Return the number of a column; a name of digits counts as a name."""
        if column in numbers:
            return numbers[column]
        # Longer ones are no number of a column, and `int` takes long for them.
        if column.isdecimal() and len(column) < 10 and int(column) < count:
            return int(column)
        named = f", or of the names {shown_names(list(numbers))}" if numbers else ""
        raise FormatError(f"expected --columns from 0 to {count - 1}{named}, got {excerpt(column)}")
