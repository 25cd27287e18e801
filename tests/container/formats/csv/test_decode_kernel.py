"""The kernel that decodes plain CSV, compared with the parser that is its reference."""

import math
import re
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from container.formats.csv.decode_kernel import FULL, MORE, ODD, WORD, decode

LARGEST = float(np.finfo(np.float32).max)
floats = st.floats(-LARGEST, LARGEST)
singles = st.floats(-LARGEST, LARGEST, width=32)
decimals = st.builds(
    lambda sign, whole, part, exponent: f"{sign}{whole}{part}{exponent}",
    st.sampled_from(["", "-", "+"]),
    st.from_regex(r"[0-9]{1,25}", fullmatch=True),
    st.from_regex(r"(\.[0-9]{0,30})?", fullmatch=True),
    st.from_regex(r"([eE][+-]?[0-9]{1,2})?", fullmatch=True),
)
# What lies before the first line and behind the last one is read, but never used. Short numbers among others are read
# in another way than those at an end of the buffer.
BEFORE = b"9" * 2 * WORD
BEHIND = b"9" * WORD
FAR_BEHIND = b"9" * 2 * WORD


def decoded(
    text: bytes, columns: int, labels: int = 0, behind: bytes = BEHIND, dtype: DTypeLike = np.float32
) -> tuple[int, int, np.ndarray]:
    """Return why it stopped, where, and the rows; the same at the buffer's ends and in the middle of it."""
    result = decoded_at(b"", text, columns, labels, behind, dtype)
    if behind:
        inside = decoded_at(BEFORE, text, columns, labels, behind + FAR_BEHIND, dtype)
        assert inside[:2] == result[:2]
        assert inside[2].tobytes() == result[2].tobytes()
    return result


def decoded_at(
    before: bytes, text: bytes, columns: int, labels: int, behind: bytes, dtype: DTypeLike
) -> tuple[int, int, np.ndarray]:
    buffer = np.frombuffer(before + text + behind, np.uint8).copy()
    out = np.full((text.count(b"\n") + 1, columns), np.nan, dtype)
    with np.errstate(over="ignore"):
        status, position, row = decode(buffer, len(before), len(before + text), labels, out, 0)
    return int(status), int(position) - len(before), out[:row]


def single(number: str) -> bytes:
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(float(number)).tobytes()


@settings(max_examples=500, deadline=None)
@given(st.one_of(decimals, floats.map(repr), floats.map("{:.9g}".format), singles.map(repr)))
@example("-0")
@example("-0.000e-99")
@example("16777217")
@example("16777217.000000000000000000000000001")
@example("9007199254740993")
@example("0.00000000000000000000000000000000000001")
@example("340282356779733661637539395458142568447")
@example(repr(math.nextafter(16777217.0, 0)))
def test_a_number_is_rounded_as_by_the_reference_or_left_to_it(number: str) -> None:
    status, position, rows = decoded(f"{number}\n".encode(), 1)
    if len(rows):
        assert (status, position) == (MORE, len(number) + 1)
        assert rows[0].tobytes() == single(number)
    else:
        assert (status, position) == (ODD, 0)


@settings(max_examples=500, deadline=None)
@given(st.one_of(decimals, floats.map(repr), floats.map("{:.15g}".format), st.integers(-(2**60), 2**60).map(str)))
@example("-0")
@example("9007199254740993")
@example("1700000000.123456")
@example("1e37")
def test_a_number_in_float64_is_that_of_the_reference_or_left_to_it(number: str) -> None:
    status, position, rows = decoded(f"{number}\n".encode(), 1, dtype=np.float64)
    if len(rows):
        assert (status, position) == (MORE, len(number) + 1)
        assert rows[0].tobytes() == np.float64(number).tobytes()
        assert abs(rows[0, 0]) <= LARGEST
    else:
        assert (status, position) == (ODD, 0)


@pytest.mark.parametrize("number", ["1700000000", "1700000000.25", "-48.8566140", "2147483647", "1.5e-7"])
def test_numbers_in_float64_as_others_write_them_are_plain(number: str) -> None:
    assert decoded(f"{number}\n".encode(), 1, dtype=np.float64)[2].tolist() == [[float(number)]]


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9).map(repr), singles.map("{:.6g}".format))
)
def test_numbers_as_others_write_them_are_plain(number: str) -> None:
    if 0 < abs(float(number)) < 1e-30 or abs(float(number)) > 1e30:
        return
    (lost,) = struct.unpack("<q", struct.pack("<d", float(number)))
    _, _, rows = decoded(f"{number}\n".encode(), 1)
    # But for those next to the middle of two float32.
    assert len(rows) or abs((lost & ((1 << 29) - 1)) - (1 << 28)) < 64


@pytest.mark.parametrize("text", ["1,2,3\n", " 1 ,\t2,3 \r\n", "+1.,2e0,.3E+1\n", "001,0.02e+02,30e-1\r\n"])
def test_forms_of_a_line(text: str) -> None:
    status, position, rows = decoded(text.encode() * 2, 3)
    assert (status, position) == (MORE, 2 * len(text))
    assert rows.tolist() == [[1, 2, 3]] * 2


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1,2",
        "1,2,3,4",
        "1,,3",
        "1,2,x",
        "1,2,3x",
        "1,2,nan",
        "1,2,1e39",
        "1,2,1e-40",
        '1,"2",3',
        "1,2,-",
        "1,2,.",
        "1,2,1e",
        "1,2,1e+",
        "1,2,1 2",
        "1,2,0x1",
        "1,2,- 1",
        "1,2,3\r4",
        "1,2,1_0",
    ],
)
def test_a_line_that_is_not_plain_is_left(line: str) -> None:
    good = "1,2,3\n"
    status, position, rows = decoded(f"{good}{line}\n{good}".encode(), 3)
    assert (status, position, len(rows)) == (ODD, len(good), 1)


short_cells = st.text("0123456789.-+eE /x", max_size=17) | st.from_regex(r"-?[0-9]{0,9}\.?[0-9]{0,9}", fullmatch=True)


@settings(max_examples=1000, deadline=None)
@given(short_cells)
@example("-0")
@example("-0.0")
@example("-.")
@example("1.2.3")
@example("12345678.12345.7")
@example("1-2")
@example("1/2")
@example("99999999.9999999")
@example("999999999999999")
@example("9999999999999999")
def test_a_short_number_between_others_is_that_of_the_reference(cell: str) -> None:
    _, _, rows = decoded(f"7,{cell},8\n".encode(), 3, dtype=np.float64)
    if len(rows):
        assert rows.tobytes() == np.array([7, float(cell), 8]).tobytes()
    elif re.fullmatch(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", cell):
        assert len(cell) > 15


def test_labels_are_skipped() -> None:
    status, _, rows = decoded(b"a b,,1\n\xff,,2\n", 1, labels=2)
    assert status == MORE
    assert rows.tolist() == [[1], [2]]
    for line in (b'"a,b",1\n', b"a\n", b"a\r,1\n"):
        assert decoded(line, 1, labels=1)[:2] == (ODD, 0)


@pytest.mark.parametrize("behind", [BEHIND, b",,,,,,,,", b"\n\n\n\n\n\n\n\n", b"eeeeeeee", b""])
def test_a_line_that_is_cut_off_is_not_decoded(behind: bytes) -> None:
    text = b"1,-2.5e+1,3\r\n"
    for end in range(len(text)):
        status, position, rows = decoded(text[:end], 3, behind=behind)
        assert (status, position, len(rows)) == (MORE, 0, 0), text[:end]


def test_it_stops_when_all_rows_are_filled() -> None:
    buffer = np.frombuffer(b"1\n2\n3\n" + BEHIND, np.uint8).copy()
    out = np.zeros((2, 1), np.float32)
    with np.errstate(over="ignore"):
        assert tuple(map(int, decode(buffer, 0, 6, 0, out, 0))) == (FULL, 4, 2)
    assert out.tolist() == [[1], [2]]
