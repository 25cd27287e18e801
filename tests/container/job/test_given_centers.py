"""A table of centers in the channel `model`: which ones are read, and what a job makes of them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from container.configuration.algorithm_settings import settings_of
from container.configuration.channels import CSV, MODEL, NPY, PARQUET, RECORDIO, ChannelConfiguration
from container.configuration.hyperparameters import parse
from container.errors import CustomerError
from container.formats.recordio.records import dense_record, encode
from container.job.given_model import GivenModel, read_given_model
from tests.container.job.job import Job, csv, msd, recordio

NAMES = ("age", "income", "visits")
CENTERS = np.array([[1.5, 2.0, 3.0], [4.0, 5.25, 6.0], [1.7e9, -8.0, 0.1]])
SETTINGS = settings_of(parse({"k": "3", "feature_dim": "3", "extra_center_factor": "2"}))


def channel(folder: Path, content_type: str = MODEL, *, header: bool = False) -> ChannelConfiguration:
    folder.mkdir(exist_ok=True)
    return ChannelConfiguration("model", content_type, None, "File", "FullyReplicated", folder, header)


def given(folder: Path, content_type: str = MODEL, *, header: bool = False, names: tuple[str, ...] = ()) -> GivenModel:
    return read_given_model(channel(folder, content_type, header=header), SETTINGS, names, names)


def text(centers: NDArray[np.float64], *names: str) -> str:
    lines = [",".join(names)] if names else []
    return "\n".join([*lines, *(",".join(map(repr, row)) for row in centers.tolist())]) + "\n"


def parquet(path: Path, centers: NDArray[np.float64], *names: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table(list(centers.T.copy()), names=list(names)), path)


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("n_rows", [3, 6])
@pytest.mark.parametrize("name", ["c.npy", "c.csv", "c.parquet", "c.pbr"])
def test_a_table_in_each_format_whether_its_type_is_stated_or_not(
    tmp_path: Path, name: str, n_rows: int, stated: bool
) -> None:
    centers = np.concatenate([CENTERS, CENTERS + 1.0])[:n_rows]
    path = tmp_path / name
    match path.suffix:
        case ".npy":
            content_type = NPY
            np.save(path, centers)
        case ".csv":
            content_type = CSV
            path.write_text(text(centers))
        case ".parquet":
            content_type = PARQUET
            parquet(path, centers, *NAMES)
        case _:
            content_type = RECORDIO
            centers = centers.astype(np.float32).astype(np.float64)
            path.write_bytes(recordio(centers.astype(np.float32)))
    found = given(tmp_path, content_type if stated else MODEL)
    assert found.is_table
    assert found.coordinates is None
    # In float64: float32 has no room for the digits of times.
    np.testing.assert_array_equal(found.centers, centers)
    np.testing.assert_array_equal(found.start.centers, centers)
    assert not found.start.weights.any()


def test_the_parts_of_a_table_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "part-1.csv").write_text(text(CENTERS[1:]))
    (tmp_path / "part-0.csv").write_text(text(CENTERS[:1]))
    (tmp_path / "_SUCCESS").touch()
    np.testing.assert_array_equal(given(tmp_path).centers, CENTERS)


def test_columns_are_found_by_the_names_of_the_data(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(3.0), CENTERS[:, ::-1]])
    (tmp_path / "c.csv").write_text(text(table, "cluster", *reversed(NAMES)))
    np.testing.assert_array_equal(given(tmp_path, names=NAMES).centers, CENTERS)
    (tmp_path / "c.csv").unlink()
    parquet(tmp_path / "c.parquet", table, "cluster", *reversed(NAMES))
    np.testing.assert_array_equal(given(tmp_path, names=NAMES).centers, CENTERS)


def test_names_of_a_table_may_be_new_where_the_data_have_none_but_not_in_other_columns(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(text(CENTERS, "x", "y", "z"))
    there = channel(tmp_path)
    np.testing.assert_array_equal(read_given_model(there, SETTINGS, (), NAMES).centers, CENTERS)
    with pytest.raises(CustomerError, match="expected 'y' in column 1, as in the model, not in 0"):
        read_given_model(there, SETTINGS, (), ("y", "x", "z"))
    with pytest.raises(CustomerError, match="expected a column named 'age', got 'x', 'y', 'z'"):
        read_given_model(there, SETTINGS, NAMES, NAMES)


def test_centers_of_a_spherical_job_are_scaled_to_length_1(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", CENTERS)
    found = read_given_model(channel(tmp_path), replace(SETTINGS, spherical=True))
    np.testing.assert_allclose(found.centers, CENTERS / np.linalg.norm(CENTERS, axis=1, keepdims=True), rtol=1e-15)
    np.save(tmp_path / "c.npy", CENTERS * [[1.0], [0.0], [1.0]])
    with pytest.raises(CustomerError, match="Channel model: record 2: expected a number other than 0, since dist"):
        read_given_model(channel(tmp_path), replace(SETTINGS, spherical=True))


def test_models_are_still_recognized_by_their_names(tmp_path: Path) -> None:
    mxnet_ndarray.write(tmp_path / "model_algo-1", CENTERS.astype(np.float32))
    np.save(tmp_path / "more.npy", CENTERS)
    assert not given(tmp_path).is_table


def write(path: Path, content: bytes | NDArray[np.float64]) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    return path.parent


HUGE = b"\x93NUMPY\x01\x00\x45\x00{'descr': '<f8', 'fortran_order': False, 'shape': (%s, 3)}"
SPARSE = dense_record(np.ones(1, np.float32))
SPARSE.features["values"].float32_tensor.keys.append(0)
SPARSE.features["values"].float32_tensor.shape.append(3)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("c.npy", CENTERS[:2], "expected a table of k = 3 centers, or of k * extra_center_factor = 6, got one of 2 rows"
                               " in 'c.npy'"),
        ("c.csv", b"1,2,3\n4,5,6\n7,8,9\n0,0,0\n", "got one of 4 rows in 'c.csv'"),
        ("c.npy", np.zeros((3, 4)), r"model/c.npy, expected 3 columns of features, got 4"),
        ("c.npy", np.zeros(3), r"model/c.npy, expected an array of two dimensions, got the shape (3,)"),
        ("c.npy", CENTERS * np.nan, "model/c.npy, record 1, column 0: expected a number, got nan)"),
        ("c.npy", CENTERS * [[1.0], [1e300], [1.0]], "record 2, column 0: expected a number in the range of float32"),
        ("c.npy", HUGE % b"999999999999" + b"\n", "bytes for an array of the shape (999999999999, 3), got"),
        ("c.npy", b"\x93NUMPY\x01\x00\xff\xff", "expected a header of at most 10000 bytes, got 65535"),
        ("c.csv", b"1,2\n3,4\n5,6\n", "model/c.csv, record 1"),
        ("c.csv", b"1,2,3\n4,x,6\n7,8,9\n", "model/c.csv, record 2, column 1"),
        ("c.csv", b"a,b\n1,2\n", "expected 3 columns of features, got 2 columns: 'a', 'b'"),
        ("c.csv", b"", "got one of 0 rows in 'c.csv'"),
        ("c.pbr", recordio(np.zeros((3, 2), np.float32)), "model/c.pbr, record 1"),
        ("c.pbr", recordio(np.zeros((3, 3), np.float32))[:-9], "model/c.pbr, record 3"),
        ("c.parquet", b"PAR1\x00" + bytes(20), "model/c.parquet, "),
        ("c.xlsx", b"PK\x03\x04" + bytes(40), "RecordIO or a file named .csv, got 'c.xlsx'"),
    ],
)  # fmt: skip
def test_tables_that_are_refused_and_why(
    tmp_path: Path, name: str, content: bytes | NDArray[np.float64], expected: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(CustomerError) as error:
        given(write(folder / name, content))
    assert expected in error.value.message
    assert "model" in error.value.message[:40]
    assert "missing=mean" not in error.value.message


def test_sparse_records_say_little_and_hold_much(tmp_path: Path) -> None:
    """The memory for centers is not that of the file, but what the job's feature_dim says."""
    (tmp_path / "c.pbr").write_bytes(encode([SPARSE] * 3))
    np.testing.assert_array_equal(given(tmp_path).centers, [[1.0, 0.0, 0.0]] * 3)
    with pytest.raises(CustomerError, match="for which there is memory, got 3 of feature_dim 2147483647, which take"):
        read_given_model(channel(tmp_path), replace(SETTINGS, n_features=2**31 - 1, n_centers=3))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.csv")
    with pytest.raises(CustomerError, match="expected a file or a folder, got something else"):
        given(tmp_path)


CHANNELS = {"train": {"TrainingInputMode": "File"}, "model": {}}


def test_a_job_starts_from_a_table(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    centers = np.stack([digits[i::10].mean(axis=0) for i in range(10)])
    job = Job(tmp_path, {"k": "10", "feature_dim": "64", "refine_sample_size": "0", "extra_center_factor": "1"})
    job.channels = CHANNELS
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    (job.folder("model") / "centers.csv").write_bytes(csv(centers))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert "continuing from 10 centers, of 0 rows" in ended.log
    assert msd(digits, ended.centers) < 0.9 * msd(digits, centers)


def test_centers_are_in_the_units_of_the_data_of_a_standardized_job(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 1e6], [1.0, 1e6], [0.0, 3e6], [1.0, 3e6]])
    scales = np.array([0.02, 4e4])
    rows = (centers[np.arange(2000) % 4] + scales * rng.normal(size=(2000, 2))).astype(np.float32)
    job = Job(tmp_path, {"k": "4", "feature_dim": "2", "refine_sample_size": "0", "extra_center_factor": "1",
                         "standardize": "true"}, CHANNELS)  # fmt: skip
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    (job.folder("model") / "centers.csv").write_text(text(centers + scales, "x", "y"))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    # Each stays at its own cluster.
    np.testing.assert_allclose((ended.centers - centers) / scales, 0.0, atol=0.2)
    np.testing.assert_array_equal(ended.description["cluster_sizes"], 500)
