"""Long texts of CSV, read by pyarrow: what it can't read, or reads otherwise than `parser`, is left to that."""

import re
from collections.abc import Sequence
from typing import Any, Final

# A call of pyarrow takes 0.3 to 3 ms for a text of any length: as long as the other parser takes for this many lines.
SHORT_TEXT_LINES: Final = 64
# pyarrow works block by block; this size measured best. A block must hold a whole line.
_BLOCK_BYTES: Final = 1 << 20
# A quotation mark in the middle of a cell, which pyarrow would drop silently.
_STRAY_QUOTE = re.compile(rb'"(?<=[^,\n]")(?=[^,\r\n])')


# The cells that stand for a missing number, as pyarrow compares them.
GAPS: Final = ("", "nan", "NaN", "NA", "N/A", "null", "NULL", "None", "<NA>")


def batches(
    data: bytes, lines: int, count: int, columns: Sequence[int], *, gaps: bool | None = None
) -> list[Any] | None:
    """Return some columns of a long text.

    Parameters
    ----------
    data : bytes
        Lines, without empty ones at the end.
    lines : int
        The number of lines.
    count : int
        The number of cells that each must have.
    columns : sequence of int
        The columns to read, from 0.
    gaps : bool or None
        Whether numbers may be missing; None for columns of texts.

    Returns
    -------
    list of pyarrow.RecordBatch or None
        The columns, numbers in float64 or texts, in this order; None if the text is short, or is to be read in another
        way.
    """
    # An empty line is no missing number.
    if count == 1 and gaps:
        return None
    if lines <= SHORT_TEXT_LINES or not columns or (b'"' in data and _STRAY_QUOTE.search(data)):
        return None
    # Imported here because it costs more time than a short text takes to read.
    import pyarrow
    import pyarrow.csv

    read = _names(columns)
    first_line_bytes = data.find(b"\n") + 1
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.py_buffer(data + b"\n"),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=min(max(_BLOCK_BYTES, 2 * first_line_bytes), 1 << 30),
                column_names=_names(range(count)),
            ),
            parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(read, pyarrow.string() if gaps is None else pyarrow.float64()),
                include_columns=read,
                null_values=list(GAPS) if gaps else [],
                strings_can_be_null=False,
                check_utf8=gaps is None,
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    # pyarrow also ends lines at a lone CR, and would accept CR LF LF as it does LF.
    return table.to_batches() if table.num_rows == lines else None


def _names(columns: Sequence[int]) -> list[str]:
    return [str(column) for column in columns]
