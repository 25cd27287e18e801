"""Channels of numpy's files: arrays of every type and order, and files that claim what they do not hold."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from container.configuration.channels import NPY
from container.errors import CustomerError
from container.formats import npy_table
from container.hosts.place import HostPlace
from tests import bfloat16
from tests.container.channels.conftest import MakeChannel, rows_of

ROWS = np.arange(300, dtype=np.float32).reshape(100, 3) % 128


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file have several pieces."""
    monkeypatch.setattr(npy_table, "_BYTES", 12 * 8)
    monkeypatch.setattr(npy_table, "_FORTRAN_BYTES", 12 * 16)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "|i1", "<u8", "g", "bfloat16"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_rows(make_channel: MakeChannel, folder: Path, dtype: str, order: Literal["C", "F"], mode: str) -> None:
    (folder / "b").mkdir()
    for name, rows in (("b/part", ROWS[40:]), ("a", ROWS[:40]), ("c", ROWS[:0])):
        path = folder / f"{name}.npy"
        if dtype == "bfloat16":
            bfloat16.save(path, rows, order)
        else:
            np.save(path, np.array(rows, dtype, order=order))
    channel = make_channel(content_type=NPY, mini_batch_size=9, mode=mode)
    assert channel.feature_names() == ()
    for _ in range(2):
        batches = rows_of(channel)
        assert [len(batch) for batch in batches] == [9] * 11 + [1]
        assert np.concatenate(batches).tolist() == ROWS.tolist()
        assert channel.bytes_read == sum(path.stat().st_size for path in channel.files())
    for skip in (0, 1, 39, 40, 41, 99, 100, 101):
        assert [row.tolist() for block in channel.blocks(skip) for row in block] == ROWS[skip:].tolist()
    drawn, records = channel.sample(17, np.random.default_rng(1))
    expected = np.sort(np.random.default_rng(1).choice(100, 17, replace=False, shuffle=False))
    assert (drawn.tolist(), records) == (ROWS[expected].tolist(), 100)


@pytest.mark.parametrize("shape", [(7, 3), (0, 3)])
def test_bfloat16_is_what_ml_dtypes_writes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rows = bfloat16.rounded(np.random.default_rng(0).normal(size=shape))
    np.save(tmp_path / "a.npy", rows.astype(ml_dtypes.bfloat16))
    bfloat16.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_labels_hosts_and_gaps(make_channel: MakeChannel, folder: Path, order: Literal["C", "F"]) -> None:
    rows = ROWS.copy()
    rows[7, 1], rows[60, 0] = np.nan, np.nan
    np.save(folder / "rows.npy", np.asarray(rows, order=order))
    with pytest.raises(CustomerError, match=r"\(train/rows.npy, record 8, column 1: expected a number, got nan; miss"):
        rows_of(make_channel(content_type=NPY))
    # A label may be anything.
    channel = make_channel(2, 100, NPY, label_size=1, missing="drop")
    assert rows_of(channel) == [np.delete(ROWS[:, 1:], 7, axis=0).tolist()]
    assert channel.gap_rows() == 1
    hosts = ("algo-1", "algo-2")
    places = [HostPlace(rank, hosts) for rank in range(2)]
    parts = [
        rows_of(make_channel(2, 30, NPY, label_size=1, missing="drop", place=place, threaded=False)) for place in places
    ]
    assert [[len(batch) for batch in part] for part in parts] == [[30, 30], [30, 9]]


def test_what_is_wrong_is_named(make_channel: MakeChannel, folder: Path) -> None:
    path = folder / "rows.npy"
    np.save(path, ROWS)
    data = path.read_bytes()
    for content, message in (
        (b"1,2,3\n" * 9, "record 1: expected .npy, got text"),
        (b"", "expected an array of numpy.save, got the end after 0 of 8 bytes of its head"),
        (data[:-1], "expected 1328 bytes for an array of the shape (100, 3), got 1327"),
        (data + b"\0", "expected 1328 bytes for an array of the shape (100, 3), got 1329"),
        (data.replace(b"(100, 3)", b"(300,)  "), "expected an array of two dimensions, got the shape (300,)"),
        (data.replace(b"(100, 3)", b"(60, 5) "), "expected 3 columns of features, got 5"),
        (data.replace(b"<f4", b"|V4"), "got elements of the type '|V4', which may be anything: save array.astype"),
        (data.replace(b"<f4", b"|O8"), "expected numbers, got elements of the type '|O8'"),
        (data.replace(b"(100, 3)", b"(10**9,)"), "expected a header of descr, fortran_order and shape"),
    ):
        path.write_bytes(content)
        with pytest.raises(CustomerError) as caught:
            rows_of(make_channel(content_type=NPY))
        assert message in str(caught.value)
    np.save(path, np.array([[0, 1, 1e39]]))
    with pytest.raises(
        CustomerError, match=r"record 1, column 2: expected a number in the range of float32, got 1e\+39"
    ):
        rows_of(make_channel(content_type=NPY))
    np.save(path, np.array(ROWS, object), allow_pickle=True)
    with pytest.raises(CustomerError, match=r"expected numbers, got elements of the type '\|O'"):
        rows_of(make_channel(content_type=NPY))


def test_a_file_that_is_cut_off_meanwhile(make_channel: MakeChannel, folder: Path) -> None:
    np.save(folder / "rows.npy", ROWS)
    channel = make_channel(content_type=NPY, mini_batch_size=1, threaded=False)
    blocks = channel.blocks()
    assert next(blocks).tolist() == ROWS[:1].tolist()
    with (folder / "rows.npy").open("r+b") as file:
        file.truncate(500)
    with pytest.raises(CustomerError, match=r"expected an array of 100 rows, got the end: the file was cut off"):
        list(blocks)
