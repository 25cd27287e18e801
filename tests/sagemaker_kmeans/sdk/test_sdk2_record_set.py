"""Record sets on version 2 of the SDK: the objects of the SDK's own KMeans."""

import io
from typing import Any

import numpy as np
import pytest
from sagemaker.amazon.common import read_records

from sagemaker_kmeans import KMeans
from tests.sagemaker_kmeans.sdk.conftest import Aws, manifest_of
from tests.sagemaker_kmeans.sdk.sdk2_calls import COMMON, ROWS, estimators


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [None, np.arange(100, dtype=np.float32)])
def test_record_set_uploads_what_the_sdk_does(aws: Aws, session: Any, dtype: Any, labels: Any) -> None:
    rows = ROWS.astype(dtype)
    sets = [estimator.record_set(rows, labels, channel="test", encrypt=True) for estimator in estimators(session, k=2)]
    theirs, ours = ([aws.objects[key] for key in manifest_of(aws, found.s3_data)] for found in sets)
    assert len(ours) == COMMON["instance_count"]
    assert ours == theirs
    known = ["num_records", "feature_dim", "s3_data_type", "channel", "distribution"]
    assert [getattr(sets[0], name) for name in known] == [getattr(sets[1], name) for name in known]
    puts = aws.sent("PutObject")
    assert [put["Key"].rpartition("/")[2] for put in puts] == ["matrix_0.pbr", "matrix_1.pbr", ".amazon.manifest"] * 2
    members = ("ServerSideEncryption", "ExpectedBucketOwner", "Bucket")
    assert [[put.get(name) for name in members] for put in puts[:3]] == [
        [put.get(name) for name in members] for put in puts[3:]
    ]


def test_record_set_takes_sparse_matrices_and_other_numbers(aws: Aws, session: Any) -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse")
    estimator = KMeans(**{**COMMON, "instance_count": 3}, k=2, sagemaker_session=session)
    matrix = scipy_sparse.random(10, 6, 0.5, format="coo", dtype=np.float32, random_state=0)
    found = manifest_of(aws, estimator.record_set(matrix).s3_data)
    rows = [record for key in found for record in read_records(io.BytesIO(aws.objects[key]))]
    dense = np.zeros((10, 6), np.float32)
    for row, record in zip(dense, rows, strict=True):
        tensor = record.features["values"].float32_tensor
        row[list(tensor.keys)] = tensor.values
        assert list(tensor.shape) == [6]
    np.testing.assert_array_equal(dense, matrix.toarray())
    (first, *_) = manifest_of(aws, estimator.record_set([[1, 2], [3, 4], [5, 6]]).s3_data)
    (record,) = read_records(io.BytesIO(aws.objects[first]))
    assert list(record.features["values"].float64_tensor.values) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (ROWS[:1], None, "Array length is less than num shards"),
        (ROWS[0], None, "Array must be a Matrix"),
        (ROWS, ROWS, "Labels must be a Vector"),
        (ROWS, ROWS[:5, 0], "not compatible"),
        (np.array([["a"], ["b"]]), None, "Unsupported dtype"),
    ],
)
def test_record_set_refuses_what_are_no_rows(aws: Aws, session: Any, rows: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KMeans(**COMMON, k=2, sagemaker_session=session).record_set(rows, labels)


def test_a_failed_upload_leaves_nothing(aws: Aws, session: Any) -> None:
    def refuse(given: dict[str, Any]) -> dict[str, Any]:
        if given["Key"].endswith("manifest"):
            raise RuntimeError("no more")
        return {}

    aws.answers["PutObject"] = refuse
    with pytest.raises(RuntimeError, match="no more"):
        KMeans(**COMMON, k=2, sagemaker_session=session).record_set(ROWS)
    assert [request["Key"].rpartition("/")[2] for request in aws.sent("DeleteObject")] == [
        "matrix_0.pbr",
        "matrix_1.pbr",
    ]
