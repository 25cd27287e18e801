"""Models, endpoints and transformers on version 2 of the SDK: the requests of the SDK's own KMeans, with our image."""

import io
from typing import Any

import numpy as np
import pytest
from sagemaker.amazon.common import read_records, write_numpy_to_dense_tensor

from sagemaker_kmeans import KMeansModel, KMeansPredictor
from tests.sagemaker_kmeans.sdk.conftest import IMAGE, ROLE, Aws
from tests.sagemaker_kmeans.sdk.sdk2_calls import ROWS, estimators, records


def test_deploy_makes_the_sdks_requests_with_our_image(aws: Aws, session: Any) -> None:
    for estimator in estimators(session, k=2):
        estimator.fit(records(), wait=False, job_name="job")
        predictor = estimator.deploy(1, "ml.m5.large", endpoint_name="endpoint", model_name="model", wait=False)
        assert predictor.endpoint_name == "endpoint"
    assert type(predictor) is KMeansPredictor
    theirs, ours = aws.sent("CreateModel")
    assert ours["PrimaryContainer"].pop("Image") == IMAGE
    theirs["PrimaryContainer"].pop("Image")
    assert ours == theirs
    for operation in ("CreateEndpointConfig", "CreateEndpoint"):
        theirs, ours = aws.sent(operation)
        assert ours == theirs
    estimator.delete_endpoint()
    assert aws.sent("DeleteEndpoint") == [{"EndpointName": "endpoint"}]
    with pytest.raises(ValueError, match="call deploy first"):
        estimator.delete_endpoint()


def test_a_model_in_s3_is_deployed(aws: Aws, session: Any) -> None:
    model = KMeansModel(
        "s3://my-bucket/model.tar.gz", ROLE, session, env={"SAGEMAKER_INFERENCE_OUTPUT": "distances"}, image_uri="a:1"
    )
    assert type(model.deploy(1, "ml.m5.large", wait=False)) is KMeansPredictor
    container = aws.named("CreateModel", "PrimaryContainer")
    assert container["Image"] == "a:1"
    assert container["ModelDataUrl"] == "s3://my-bucket/model.tar.gz"
    assert container["Environment"] == {"SAGEMAKER_INFERENCE_OUTPUT": "distances"}


def test_transformer_makes_the_sdks_requests(aws: Aws, session: Any) -> None:
    for estimator in estimators(session, k=2):
        estimator.fit(records(), wait=False, job_name="job")
        transformer = estimator.transformer(1, "ml.m5.large", output_path="s3://my-bucket/out", model_name="model")
        transformer.transform("s3://my-bucket/in", content_type="text/csv", wait=False, job_name="transform")
    theirs, ours = aws.sent("CreateTransformJob")
    assert ours == theirs
    assert aws.named("CreateModel", "PrimaryContainer")["Image"] == IMAGE


def answer(rows: Any) -> bytes:
    """Return what `serve` answers in RecordIO, written by the SDK's own classes."""
    from sagemaker.amazon.record_pb2 import Record
    from sagemaker.serializer_utils import _write_recordio

    file = io.BytesIO()
    for index in range(len(rows)):
        record = Record()
        record.label["closest_cluster"].float32_tensor.values.append(index)
        record.label["distance_to_cluster"].float32_tensor.values.append(index / 2)
        _write_recordio(file, record.SerializeToString())
    return file.getvalue()


@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(np.float64), ROWS[:3].tolist(), ROWS[0], ROWS.astype(np.float16)])
def test_predict_answers_records_and_arrays(aws: Aws, session: Any, rows: Any) -> None:
    from botocore.response import StreamingBody

    def invoke(given: dict[str, Any]) -> dict[str, Any]:
        body = answer(read_records(io.BytesIO(given["Body"])))
        return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentType": given["Accept"]}

    aws.answers["InvokeEndpoint"] = invoke
    predictor = KMeansPredictor("endpoint", session)
    n = 1 if np.ndim(rows) == 1 else len(rows)
    found = predictor.predict(rows)
    assert [record.label["closest_cluster"].float32_tensor.values[0] for record in found] == list(range(n))
    labels, distances = predictor.predict_arrays(rows)
    assert labels.tolist() == list(range(n))
    assert distances.tolist() == [index / 2 for index in range(n)]
    theirs, ours = aws.sent("InvokeEndpoint")
    if np.asarray(rows).dtype == np.float32:
        theirs["Body"] = bytes(theirs["Body"])
        expected = io.BytesIO()
        write_numpy_to_dense_tensor(expected, np.atleast_2d(rows))
        assert ours["Body"] == theirs["Body"] == expected.getvalue()


@pytest.mark.parametrize("rows", [ROWS + 1j, [["1", "2"]], ROWS[None], None])
def test_what_are_no_rows_is_not_sent(aws: Aws, session: Any, rows: Any) -> None:
    for ask in (KMeansPredictor("endpoint", session).predict, KMeansPredictor("endpoint", session).predict_arrays):
        with pytest.raises(ValueError, match=r"Unsupported dtype|Array must be a Matrix"):
            ask(rows)
    assert not aws.sent("InvokeEndpoint")


def test_many_rows_are_asked_in_requests_that_an_endpoint_takes(aws: Aws, session: Any) -> None:
    from botocore.response import StreamingBody

    def invoke(given: dict[str, Any]) -> dict[str, Any]:
        assert len(given["Body"]) < 6e6
        body = answer(range(sum(1 for _ in read_records(io.BytesIO(given["Body"])))))
        assert len(body) < 6e6
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}

    aws.answers["InvokeEndpoint"] = invoke
    labels, _ = KMeansPredictor("endpoint", session).predict_arrays(np.zeros((5000, 300), np.float32))
    assert len(aws.sent("InvokeEndpoint")) == 2
    assert len(labels) == 5000
