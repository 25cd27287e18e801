"""Heads of arrays: those of numpy and of other writers are read, and nothing in them is evaluated."""

import io

import numpy as np
import pytest

from container.formats import npy
from container.formats.errors import FormatError


def head(text: str, version: int = 1) -> io.BytesIO:
    data = text.encode("latin-1")
    return io.BytesIO(npy.MAGIC + bytes((version, 0)) + len(data).to_bytes(2 if version == 1 else 4, "little") + data)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "g", "<u8", "<i8", ">i2", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3, 2), (5,), (), (2, 3, 4), (0, 7)])
def test_what_numpy_writes_is_what_it_says(
    version: tuple[int, int], dtype: str, order: str, shape: tuple[int, ...]
) -> None:
    array = np.zeros(shape, dtype, order=order)  # type: ignore[call-overload]
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    file.seek(0)
    header = npy.read_header(file)
    assert header == (array.dtype, array.flags.fnc, shape)
    assert len(file.read()) == array.nbytes


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }     \n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 2L), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}",
        '{"descr": "<f4", "fortran_order": False, "shape": (3, 2)}',
        "{'shape':(3,2,),'fortran_order':False,'descr':'<f4'}",
        " {\n'shape' : ( 3 , 2 ) ,\t'descr' : '<f4' , 'fortran_order' : False , } ",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_what_other_programs_write(text: str, version: int) -> None:
    assert npy.read_header(head(text, version)) == (np.dtype("<f4"), False, (3, 2))


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("((((", "expected a header of descr, fortran_order and shape as numpy.save writes it, got '(((('"),
        ("{[]: 1}", "got '{[]: 1}'"),
        ("", "expected a header"),
        ("{}", "expected a header"),
        ("{" * 9000, "expected a header"),
        ("-" * 9000 + "1", "expected a header"),
        (GOOD + GOOD, "expected a header"),
        ("x" + GOOD, "expected a header"),
        (GOOD[:-1], "expected a header"),
        (GOOD.replace("False", "0"), "expected a header"),
        (GOOD.replace("False", "'<f4'"), "expected a header"),
        (GOOD.replace("'shape'", "'descr'"), "expected a header"),
        (GOOD.replace("}", "'descr': '<f4'}"), "expected a header"),
        (GOOD.replace("(3, 2)", "(3, -2)"), "expected a header"),
        (GOOD.replace("(3, 2)", "(3, 2.0)"), "expected a header"),
        (GOOD.replace("(3, 2)", "(3,, 2)"), "expected a shape of whole numbers, got '(3,, 2)'"),
        (GOOD.replace("(3, 2)", "(3 2)"), "expected a shape of whole numbers"),
        (GOOD.replace("(3, 2)", "(1" + "0" * 19 + ", 2)"), "expected a shape of whole numbers"),
        (GOOD.replace("<f4", "<f3"), "expected numbers, got elements of the type '<f3'"),
        (GOOD.replace("<f4", "<c8"), "expected numbers, got elements of the type '<c8'"),
        (GOOD.replace("<f4", "|O"), "expected numbers, got elements of the type '|O'"),
        (GOOD.replace("<f4", "<M8[ns]"), "expected numbers, got elements of the type '<M8[ns]'"),
        (GOOD.replace("<f4", "f4,f4"), "expected numbers, got elements of the type 'f4,f4'"),
        (GOOD.replace("'<f4'", "[('a', '<f4')]"), "expected numbers, got elements of the type \"[('a', '<f4')]\""),
        (" " * 10_001, "expected a header of at most 10000 bytes, got 10001"),
    ],
)
def test_what_is_no_head(text: str, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        npy.read_header(head(text))
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\x93NUM", npy.MAGIC, npy.MAGIC + b"\1\0\xff", npy.MAGIC + b"\1\0\x09\0{"])
def test_a_head_that_ends_early(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"expected an array of numpy\.save, got the end after"):
        npy.read_header(io.BytesIO(data))


@pytest.mark.parametrize("version", [0, 4, 255])
def test_another_version(version: int) -> None:
    with pytest.raises(FormatError, match=r"expected an array of numpy\.save, got something else"):
        npy.read_header(head(GOOD, version))
