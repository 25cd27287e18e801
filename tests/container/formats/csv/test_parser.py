import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.formats.csv import long_text, parser
from container.formats.errors import FormatError, InfiniteValueError, MissingValueError

LONG = 200  # lines: enough for the parser of long texts


def test_both_parsers_are_reached() -> None:
    assert long_text.SHORT_TEXT_LINES < LONG


def long(line: bytes) -> bytes:
    """Put a line among many good ones of two columns."""
    return b"1,2\n" * (LONG // 2) + line + b"\n" + b"1,2\n" * (LONG // 2)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"1,2", [[1, 2]]),
        (b"1,2\n", [[1, 2]]),
        (b"1,2\n3,4\n\n\n", [[1, 2], [3, 4]]),
        (b"1,2\r\n3,4\r\n\r\n", [[1, 2], [3, 4]]),
        (b'"1","-2.5e1"\n', [[1, -25]]),
        (b" 1 ,\t+2", [[1, 2]]),
        (b".5,1.", [[0.5, 1]]),
        (b"1e-400,1E2", [[0, 100]]),
        (b"\xef\xbb\xbf1,2", [[1, 2]]),
        (b"3.4028235e38,-3.4028235e38", [[np.finfo(np.float32).max, np.finfo(np.float32).min]]),
    ],
)
def test_what_is_read(text: bytes, rows: list[list[float]]) -> None:
    expected = np.array(rows, np.float32)
    for columns in (2, None):
        parsed = parser.parse(text, columns)
        np.testing.assert_array_equal(parsed, expected)
        assert parsed.dtype == np.float32
        assert parsed.flags.c_contiguous
    line = text.rstrip(b"\r\n").split(b"\n")[-1].removeprefix(b"\xef\xbb\xbf")
    np.testing.assert_array_equal(parser.parse(long(line), 2)[LONG // 2], expected[-1])


def test_nothing_is_no_rows() -> None:
    assert parser.parse(b"", 3).shape == (0, 3)
    assert parser.parse(b"\n\r\n", 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("line", "place", "kind", "text"),
    [
        (b"1,abc", "column 1", FormatError, "expected a number, got 'abc'"),
        (b"1,", "column 1", MissingValueError, "expected a number, got an empty cell"),
        (b' ,"2"', "column 0", MissingValueError, "expected a number, got an empty cell"),
        (b"1,nan", "column 1", MissingValueError, "expected a number, got nan"),
        (b"-Infinity,2", "column 0", InfiniteValueError, "expected a finite number, got -inf"),
        (b"1,1e39", "column 1", InfiniteValueError, "expected a number in the range of float32, got 1e+39"),
        (b"1,1e400", "column 1", InfiniteValueError, "expected a finite number, got inf"),
        (b"1,2,3", "", FormatError, "expected 2 columns, got 3"),
        (b"1,2,", "", FormatError, "expected 2 columns, got 3"),
        (b"1", "", FormatError, "expected 2 columns, got 1"),
        (b"1;2", "", FormatError, "expected 2 columns, got 1"),
        (b"", "", FormatError, "expected 2 columns, got an empty line"),
        (b"\xff,2", "column 0", FormatError, "expected text in UTF-8, got the byte 0xff"),
        (b"1_0,2", "column 0", FormatError, "expected a number, got '1_0'"),
        (b"0x10,2", "column 0", FormatError, "expected a number, got '0x10'"),
        (b"1\r,2", "", FormatError, "expected lines that end in LF or CR LF, got CR alone"),
        (b"1,2\r3,4", "", FormatError, "expected lines that end in LF or CR LF, got CR alone"),
        (
            b"1,2\r\r",
            "",
            FormatError,
            "expected lines that end in LF or CR LF, got additional CR before LF: `tr -d '\\r'`",
        ),
        (
            b"\r1,2",
            "",
            FormatError,
            "expected lines that end in LF or CR LF, got additional CR before LF: `tr -d '\\r'`",
        ),
        (b"x\x9c\r1\x00", "", FormatError, "expected 2 columns, got 1"),
        (b'"1","2"\r"3","4"', "", FormatError, "expected lines that end in LF or CR LF, got CR alone"),
        (b'"1"5,2', "", FormatError, "expected cells with matching quotation marks"),
        (b'"1,2', "", FormatError, "expected cells with matching quotation marks"),
        (b'1"5",2', "column 0", FormatError, "expected a number, got '1\"5\"'"),
        ("\u0663,2".encode(), "column 0", FormatError, "expected a number, got '\u0663'"),
        ("\u20031,2".encode(), "column 0", FormatError, r"expected a number, got '\u20031'"),
        (b"x" * 999 + b",1", "column 0", FormatError, f"expected a number, got '{'x' * 40}...'"),
    ],
)
def test_what_is_not(line: bytes, place: str, kind: type[FormatError], text: str) -> None:
    before = b"1,2\n" * (LONG // 2)
    for data, record in ((b"1,2\n" + line + b"\n1,2", 2), (before + line + b"\n" + before, LONG // 2 + 1)):
        with pytest.raises(FormatError) as caught:
            parser.parse(data, 2)
        assert str(caught.value).startswith(f"record {record}{', ' * bool(place)}{place}: {text}")
        assert type(caught.value) is kind
        with pytest.raises(FormatError) as caught:
            parser.parse(data, 2, first_record=1001)
        assert caught.value.record == record + 1000


def test_header_line() -> None:
    for text in (b"x,y\n1,2\n", b"x,y\n" + b"1,2\n" * LONG):
        with pytest.raises(FormatError) as caught:
            parser.parse(text, 2)
        assert str(caught.value) == (
            "record 1, column 0: expected a number, got 'x' (a header line is not expected: the content type"
            " text/csv;header=present announces one)"
        )
    with pytest.raises(FormatError, match=r"got 'x'$"):
        parser.parse(b"x,2\n", 2)
    with pytest.raises(FormatError, match=r"got 'x'$"):
        parser.parse(b"x,y\n", 2, first_record=7)


def test_labels_are_not_looked_at() -> None:
    for repeat in (1, LONG):
        np.testing.assert_array_equal(parser.parse(b"cat,1,2\n" * repeat, 2, labels=1), [[1, 2]] * repeat)
        np.testing.assert_array_equal(parser.parse(b'"a, ""b""",1,2\n' * repeat, None, labels=1), [[1, 2]] * repeat)
    with pytest.raises(FormatError, match=r"^record 1, column 2: expected a number, got 'b'$"):
        parser.parse(b"cat,1,b", 2, labels=1)
    with pytest.raises(FormatError, match=r"^record 1: expected 3 columns, got 2"):
        parser.parse(b"1,2", 2, labels=1)


def test_columns_are_those_of_the_first_line() -> None:
    assert parser.parse(b"1,2,3\n4,5,6", None).shape == (2, 3)
    with pytest.raises(FormatError, match=r"^record 2: expected 3 columns, got 2$"):
        parser.parse(b"1,2,3\n4,5", None)


def test_a_line_longer_than_a_block() -> None:
    line = b",".join([b"0.5"] * 400_000)
    assert parser.parse(line + b"\n" + line, None).shape == (2, 400_000)


CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.text("0123456789+-.eE \t\"'_naif\r\x0b\0\xa0x", max_size=6),
)
LINES = st.one_of(st.lists(CELLS, min_size=2, max_size=2), st.lists(CELLS, max_size=3)).map(",".join)


@settings(max_examples=500)
@given(LINES)
def test_the_parsers_agree(line: str) -> None:
    outcomes = []
    for data in (b"1,2\n" + line.encode() + b"\n1,2", b"1,2\n" + line.encode() + b"\n1,2" * LONG):
        try:
            outcomes.append(parser.parse(data, 2)[1].tolist())
        except FormatError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3)))
def test_rows_come_back(rows: list[list[float]]) -> None:
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows)
    np.testing.assert_array_equal(parser.parse(text.encode(), 3), np.array(rows, np.float32).reshape(-1, 3))


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_give_rows_or_a_format_error(text: bytes, is_long: bool) -> None:
    data = text + (b"\n1" * LONG if is_long else b"")
    try:
        rows = parser.parse(data, None)
    except FormatError as error:
        place = error.record
    else:
        place = len(rows)
        assert np.isfinite(rows).all()
    assert place is not None
    assert 0 <= place <= data.count(b"\n") + 1


def test_short_texts_load_no_pyarrow() -> None:
    imports = "import sys; from container.formats.csv import long_text, parser"
    program = f"{imports}; parser.parse(b'1,2', 2); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
