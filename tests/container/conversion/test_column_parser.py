"""Columns of CSV: text that pyarrow reads at once means what it means line by line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.conversion.column_parser import ColumnParser
from container.formats.errors import FormatError

WORDS = ["1", "-2.5", "+3", "1e3", ".5", "7.", "nan", "NA", "none", "inf", "1e39", "x", "1_0", "0x1"]
LINES = st.lists(
    st.lists(st.sampled_from([*WORDS, "", " ", " 4 ", "\r", "\u0661"]), min_size=2, max_size=4), min_size=1, max_size=5
)


def outcome(read: Callable[[], NDArray[Any]]) -> str:
    """Return what is read, or the error, as text."""
    try:
        return str(read().astype(np.float32).tolist())
    except FormatError as error:
        return str(error)


@given(LINES, st.sampled_from(",\t"), st.booleans())
def test_both_ways_agree(lines: list[list[str]], delimiter: str, gaps: bool) -> None:
    parser = ColumnParser(delimiter, 3, [2, 0], gaps=gaps)
    text = "\n".join(map(delimiter.join, lines))
    assert outcome(lambda: parser.parse(text.encode())) == outcome(lambda: parser._parse_lines(text.split("\n")))


def test_plain_text_is_read_at_once() -> None:
    parser = ColumnParser("\t", 3, [1, 2], gaps=True)
    values = parser._parse_together("a name\t1.5\tNaN\r\n\t\t2\r\nü\t<NA>\t3".encode())
    assert values is not None
    np.testing.assert_array_equal(values, [[1.5, np.nan], [np.nan, 2], [np.nan, 3]])


def test_quoted_cells_are_read() -> None:
    parser = ColumnParser(",", 3, [2, 1], gaps=True)
    np.testing.assert_array_equal(parser.parse(b'"a, b","1","2"\r\n"say ""x""",,3'), [[2, 1], [3, np.nan]])
    with pytest.raises(FormatError, match="record 2: expected cells with matching quotation marks"):
        parser.parse(b'1,2,3\n"a,2,3')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"1,2,3\n4,5", "record 2: expected 3 columns, got 2"),
        (b"1,2,3\n\n4,5,6", "record 2: expected 3 columns, got an empty line"),
        (b"1,2,3\nx,2,\xff", "record 2, column 2: expected text in UTF-8, got the byte 0xff"),
        (b"1,2,3\nx,,3", "record 2, column 1: expected a number, got an empty cell"),
    ],
)
def test_a_fault_is_reported_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(FormatError) as error:
        ColumnParser(",", 3, [1, 2], gaps=False).parse(text)
    assert str(error.value) == said
