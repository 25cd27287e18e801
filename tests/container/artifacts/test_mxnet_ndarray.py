import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from container.artifacts.mxnet_ndarray import NDArrayFormatError, dumps, loads, write

# What mxnet 1.9.1 writes for mx.nd.save(path, [mx.nd.array([[1, 2, 3], [4, 5, 6]])]).
GOLDEN = bytes.fromhex(
    "12010000 00000000 00000000 00000000 01000000 00000000"
    "c9fa93f9 00000000 02000000 02000000 00000000 03000000 00000000 01000000 00000000 00000000"
    "0000803f 00000040 00004040 00008040 0000a040 0000c040 00000000 00000000"
)
MATRIX = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
TYPES = ["<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?"]

HEADER = struct.pack("<QQ", 0x112, 0)
CPU = struct.pack("<ii", 1, 0)
FLOATS = struct.pack("<i", 0)
NO_NAMES = struct.pack("<Q", 0)
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA


def listed(*arrays: bytes, names: bytes = NO_NAMES) -> bytes:
    return HEADER + struct.pack("<Q", len(arrays)) + b"".join(arrays) + names


def dense(magic: int, *shape: int, rest: bytes = b"", stype: int = 0) -> bytes:
    stypes = b"" if magic == V1 else struct.pack("<i", stype)
    return struct.pack("<I", magic) + stypes + struct.pack(f"<i{len(shape)}q", len(shape), *shape) + rest


def test_bytes_are_those_of_mxnet() -> None:
    assert dumps(MATRIX) == GOLDEN


@pytest.mark.parametrize(
    "array",
    [MATRIX.astype(">f4"), np.asfortranarray(MATRIX), np.repeat(MATRIX, 2, axis=1)[:, ::2]],
    ids=["big endian", "column order", "strided"],
)
def test_bytes_do_not_depend_on_the_layout_in_memory(array: NDArray[Any]) -> None:
    assert dumps(array) == GOLDEN


def test_golden_bytes_are_read() -> None:
    for data in (GOLDEN, bytearray(GOLDEN), memoryview(GOLDEN)):
        (array,) = loads(data)
        np.testing.assert_array_equal(array, MATRIX, strict=True)
    array[0, 0] = 7


@pytest.mark.parametrize(("flag", "code"), list(enumerate(TYPES)))
def test_each_type_has_its_number(flag: int, code: str) -> None:
    data = dumps(np.ones((1, 1), dtype=code))
    assert struct.unpack_from("<i", data, 60) == (flag,)
    (array,) = loads(data)
    np.testing.assert_array_equal(array, np.ones((1, 1), dtype=code), strict=True)


@settings(max_examples=50)
@given(st.sampled_from(TYPES).flatmap(lambda code: npst.arrays(code, npst.array_shapes(max_dims=5, max_side=4))))
def test_what_is_written_is_read(array: NDArray[Any]) -> None:
    (found,) = loads(dumps(array))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.float32(1).reshape(()),
        np.empty((0, 3), np.float32),
        np.ones(2, np.uint32),
        np.array([None]),
        np.ones(1, "c8"),
    ],
    ids=["scalar", "empty", "uint32", "object", "complex"],
)
def test_what_has_no_form_in_the_file_is_refused(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        dumps(array)


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write(tmp_path / "model_algo-1", MATRIX)
    assert (tmp_path / "model_algo-1").read_bytes() == GOLDEN
    assert [path.name for path in tmp_path.iterdir()] == ["model_algo-1"]


BODY = CPU + FLOATS + MATRIX.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        dense(V1, 2, 3, rest=BODY),
        dense(V2, 2, 3, rest=BODY),
        dense(V3, 2, 3, rest=BODY),
        struct.pack("<III", 2, 2, 3) + BODY,
        dense(V2, 2, 3, rest=struct.pack("<ii", 2, 3) + FLOATS + MATRIX.tobytes()),
    ],
    ids=["V1", "V2", "V3", "legacy", "saved from a GPU"],
)
def test_every_version_is_read(array: bytes) -> None:
    (found,) = loads(listed(array))
    np.testing.assert_array_equal(found, MATRIX, strict=True)


@pytest.mark.parametrize(
    "array",
    [dense(V1), dense(V2), struct.pack("<Iii", V3, 0, -1), struct.pack("<I", 0)],
    ids=["V1", "V2", "V3", "legacy"],
)
def test_an_empty_array_has_nothing_after_its_shape(array: bytes) -> None:
    found, matrix = loads(listed(array, dense(V2, 2, 3, rest=BODY)))
    assert found.shape == (0,)
    np.testing.assert_array_equal(matrix, MATRIX)


def test_a_scalar_exists_in_v3_only() -> None:
    (found,) = loads(listed(dense(V3, rest=CPU + FLOATS + struct.pack("<f", 5))))
    np.testing.assert_array_equal(found, np.array(5, np.float32), strict=True)


def test_names_are_skipped() -> None:
    names = struct.pack("<QQ", 1, 7) + b"centers"
    (found,) = loads(listed(dense(V2, 2, 3, rest=BODY), names=names))
    np.testing.assert_array_equal(found, MATRIX)


def test_any_byte_but_0_is_true() -> None:
    (found,) = loads(listed(dense(V2, 3, rest=CPU + struct.pack("<i", 7) + b"\x00\x01\x02")))
    np.testing.assert_array_equal(found.view(np.uint8), [0, 1, 1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: expected 8 bytes for the file's header, got 0, the end of the file"),
        (b"PK\x03\x04" + bytes(4), "expected an MXNet NDArray file, which begins with 0x112, got 0x4034b50"),
        (HEADER + struct.pack("<Q", 1), "byte 24: expected at most 0 arrays in the bytes that are left, got 1"),
        (
            HEADER + struct.pack("<Q", 2**63),
            "byte 24: expected at most 0 arrays in the bytes that are left, got 9223372036854775808",
        ),
        (
            listed(dense(V2, 2, 3, stype=1, rest=BODY)),
            "byte 32: expected a dense array (storage type 0), got storage type 1",
        ),
        (
            listed(dense(V2, 2, 3, stype=-1, rest=BODY)),
            "byte 32: expected a dense array (storage type 0), got storage type -1",
        ),
        (listed(struct.pack("<Iii", V2, 0, -1)), "byte 36: expected up to 32 dimensions, got -1"),
        (listed(struct.pack("<Iii", V2, 0, 33)), "byte 36: expected up to 32 dimensions, got 33"),
        (listed(struct.pack("<I", 0xFFFFFFFF)), "byte 28: expected up to 32 dimensions, got 4294967295"),
        (listed(dense(V2, 2, -3, rest=BODY)), "byte 52: expected dimensions of 1 or more, got (2, -3)"),
        (
            listed(dense(V2, 0, 2**62, rest=BODY)),
            "byte 52: expected dimensions of 1 or more, got (0, 4611686018427387904)",
        ),
        (
            listed(dense(V2, 2**62, 2**62, rest=BODY)),
            f"byte 64: expected {4 * 2**124} bytes for the numbers of an array of shape ({2**62}, {2**62}), "
            "got 32, the end of the file",
        ),
        (
            listed(dense(V2, 2, 3, rest=CPU + struct.pack("<i", 12) + MATRIX.tobytes())),
            "byte 64: expected a number type from 0 to 7, got 12",
        ),
        (
            listed(dense(V2, 2, 3, rest=BODY), names=struct.pack("<Q", 2**40)),
            "byte 96: expected at most 0 names in the bytes that are left, got 1099511627776",
        ),
        (
            listed(dense(V2, 2, 3, rest=BODY), names=struct.pack("<QQ", 1, 2**64 - 1)),
            "byte 104: expected 18446744073709551615 bytes for a name, got 0, the end of the file",
        ),
        (GOLDEN + b"\x00", "byte 96: expected the end of the file, got 1 more bytes"),
    ],
)
def test_faults_are_reported_with_their_place(data: bytes, message: str) -> None:
    with pytest.raises(NDArrayFormatError) as caught:
        loads(data)
    assert str(caught.value) == message


@pytest.mark.parametrize("size", range(len(GOLDEN)))
def test_every_truncation_is_reported(size: int) -> None:
    with pytest.raises(NDArrayFormatError, match="expected"):
        loads(GOLDEN[:size])


@settings(max_examples=300)
@given(st.binary(max_size=120), st.integers(0, len(GOLDEN)), st.integers(0, len(GOLDEN)))
def test_any_bytes_give_arrays_or_the_error(middle: bytes, start: int, end: int) -> None:
    with suppress(NDArrayFormatError):
        assert all(array.nbytes <= len(GOLDEN) + 120 for array in loads(GOLDEN[:start] + middle + GOLDEN[end:]))
