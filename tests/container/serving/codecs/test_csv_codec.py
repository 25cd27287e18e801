"""Both ways to read lines of CSV have the same result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.formats.csv.parser import parse
from container.formats.errors import FormatError
from container.serving.codecs import csv_codec

# Numbers of both grammars, numbers of CSV's alone, and other cells: some are JSON, or look like the end of a line.
CELLS = ["0", "-1.5", "2e3", " 7\t", "0.1", "16777217", "1.00000005960464477539062500001", "3.4028235e38", "1e-50"]
ODD_CELLS = ["+1", ".5", "5.", "007", '"1.5"', "1" * 30, "1" * 400 + "e-400"]
BAD_CELLS = ["", "nan", "inf", "1e39", "1e99", "1e999", "x", "[1]", "[1", "1]", "{}", "true", "null", "1 2", "\r", "\0"]


def outcome(text: bytes, columns: int) -> object:
    try:
        return [row for block in csv_codec.decode([text], columns) for row in block.rows.tolist()]
    except FormatError as error:
        return str(error)


def expected(text: bytes, columns: int) -> object:
    try:
        return parse(text, columns).tolist()
    except FormatError as error:
        return str(error)


@pytest.mark.parametrize("cell", CELLS + ODD_CELLS + BAD_CELLS)
@pytest.mark.parametrize(
    "text", ["{}", "1,{}\n2,3", "1,2\n{},3\n", "1,2\r\n3,{}\r\n", "1,{},2", "{}\n1", "1,2\n1e99,{},4"]
)
def test_any_cell_anywhere(text: str, cell: str) -> None:
    body = text.format(cell).encode()
    for columns in 1, 2, 3:
        assert outcome(body, columns) == expected(body, columns)


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.lists(st.sampled_from([*CELLS, "1e99"]), min_size=1, max_size=4), min_size=1, max_size=6),
    columns=st.integers(1, 4),
)
def test_a_long_line_does_not_make_up_for_a_short_one(lines: list[list[str]], columns: int) -> None:
    body = "\n".join(map(",".join, lines)).encode()
    assert outcome(body, columns) == expected(body, columns)


def test_numbers_are_rounded_as_by_the_other_parser() -> None:
    """Mainly halfway between two float32 numbers, and next to that."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 0x7F000000, 5000, dtype=np.uint32)
    below, above = bits.view(np.float32).astype(float), (bits + 1).view(np.float32).astype(float)
    middle = (below + above) / 2
    texts = [
        f"{number:.{digits}e}" for digits in (5, 16, 30, 60) for number in (*below, *middle, *-np.nextafter(middle, 0))
    ]
    body = "\n".join(texts).encode()
    assert outcome(body, 1) == expected(body, 1)


@pytest.mark.parametrize("text", ["1,2", "1,2\n-3.5e-7,4", " 1 ,\t2\r\n3,4"])
def test_plain_lines_do_not_need_the_other_parser(text: str) -> None:
    assert csv_codec._plain_rows(text.encode(), 2) is not None
