"""The header of a CSV file: the names of its columns."""

from container.formats.columns import Chosen, Selection, choose
from container.formats.csv import parser
from container.formats.errors import FormatError


def names(line: bytes) -> list[str]:
    """Return the names in a header line.

    Raises
    ------
    FormatError
        If quotation marks don't match, or it is not UTF-8.
    """
    try:
        return parser.cells_of(line.removeprefix(parser.BYTE_ORDER_MARK).rstrip(b"\r\n").decode())
    except UnicodeDecodeError as error:
        raise FormatError(f"expected a header in UTF-8, got the byte 0x{error.object[error.start]:02x}") from error


def chosen_columns(columns: list[str], selection: Selection, n_features: int, labels: int | None) -> Chosen:
    """Return the columns that are read; see `container.formats.columns.choose`.

    A first column without a name is the index that `DataFrame.to_csv` of pandas writes.
    """
    index = {0} if columns and not columns[0] else ()
    return choose(columns, selection, n_features, labels, index)
