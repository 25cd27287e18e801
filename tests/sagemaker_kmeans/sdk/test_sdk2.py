"""The classes on version 2 of the SDK: the requests of the SDK's own KMeans, with our image and metrics."""

import io
import json
from typing import Any

import numpy as np
import pytest

from container.configuration.hyperparameters import parse
from tests.sagemaker_kmeans.sdk.conftest import IMAGE, REGION, ROLE, Aws, manifest_of, need_sdk

need_sdk("2")

import sagemaker  # noqa: E402
from sagemaker.amazon import kmeans as sdk  # noqa: E402
from sagemaker.amazon.amazon_estimator import RecordSet  # noqa: E402
from sagemaker.amazon.common import read_records, write_numpy_to_dense_tensor  # noqa: E402
from sagemaker.tuner import IntegerParameter  # noqa: E402
from sagemaker.workflow.parameters import ParameterInteger  # noqa: E402
from sagemaker.workflow.pipeline import Pipeline  # noqa: E402
from sagemaker.workflow.pipeline_context import PipelineSession  # noqa: E402
from sagemaker.workflow.steps import TrainingStep  # noqa: E402

from sagemaker_kmeans import KMeans, KMeansModel, KMeansPredictor  # noqa: E402

ROWS = np.random.default_rng(0).random((100, 4), np.float32)
# Each of a value that the SDK takes.
SETTINGS: dict[str, Any] = {
    "k": 3,
    "init_method": "random",
    "max_iterations": 3,
    "tol": 0.5,
    "num_trials": 5,
    "local_init_method": "kmeans++",
    "half_life_time_size": 0,
    "epochs": 10,
    "center_factor": 2,
    "eval_metrics": ["msd", "ssd"],
}
COMMON: dict[str, Any] = {"role": ROLE, "instance_count": 2, "instance_type": "ml.c5.xlarge"}
# What differs from the requests of the SDK's class.
OURS = {"TrainingImage", "MetricDefinitions"}


@pytest.fixture(scope="module")
def session(boto_session: Any) -> Any:
    return sagemaker.Session(boto_session=boto_session, default_bucket="my-bucket")


def estimators(session: Any, **settings: Any) -> tuple[Any, Any]:
    """Return the SDK's own estimator and ours, of the same call."""
    given = {**COMMON, **settings, "sagemaker_session": session}
    return sdk.KMeans(**given), KMeans(**given)


def records(**given: Any) -> RecordSet:
    return RecordSet("s3://my-bucket/rows/.amazon.manifest", num_records=100, feature_dim=4, **given)


FITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "defaults": ({"k": 2}, {}),
    "all hyperparameters": (SETTINGS, {"mini_batch_size": 200}),
    "spot and checkpoints": (
        {"k": 2, "use_spot_instances": True, "max_run": 60, "max_wait": 90, "checkpoint_s3_uri": "s3://my-bucket/c"},
        {},
    ),
    "network": (
        {"k": 2, "subnets": ["subnet-1"], "security_group_ids": ["sg-1"], "enable_network_isolation": True},
        {},
    ),
    "output, tags, environment": (
        {
            "k": 2,
            "output_path": "s3://other/models",
            "output_kms_key": "key",
            "tags": [{"Key": "a", "Value": "b"}],
            "environment": {"A": "b"},
            "volume_size": 50,
            "input_mode": "Pipe",
        },
        {"mini_batch_size": 7},
    ),
}


@pytest.mark.parametrize("case", FITS)
@pytest.mark.parametrize("channels", [["train"], ["train", "test"]])
def test_fit_sends_the_sdks_request_with_our_image(aws: Aws, session: Any, case: str, channels: list[str]) -> None:
    settings, fit = FITS[case]
    for estimator in estimators(session, **settings):
        sets = [records(channel=channel) for channel in channels]
        estimator.fit(sets if len(sets) > 1 else sets[0], wait=False, job_name="job", **fit)
    theirs, ours = aws.sent("CreateTrainingJob")
    algorithm = ours.pop("AlgorithmSpecification")
    expected = theirs.pop("AlgorithmSpecification")
    assert ours == theirs
    assert {key: value for key, value in algorithm.items() if key not in OURS} == {
        key: value for key, value in expected.items() if key not in OURS
    }
    assert algorithm["TrainingImage"] == IMAGE
    assert {metric["Name"] for metric in algorithm["MetricDefinitions"]} >= {"train:msd", "test:msd", "test:ssd"}
    parse(ours["HyperParameters"])


def test_default_names_begin_as_those_of_the_sdk(aws: Aws, session: Any) -> None:
    for estimator in estimators(session, k=2):
        estimator.fit(records(), wait=False)
    theirs, ours = (request["TrainingJobName"] for request in aws.sent("CreateTrainingJob"))
    assert theirs[:8] == ours[:8] == "kmeans-2"


def test_our_hyperparameters_are_sent_and_taken(aws: Aws, session: Any) -> None:
    estimator = KMeans(
        **COMMON,
        k=3,
        num_trials="auto",
        center_factor="auto",
        mini_batch_size=50,
        seed=7,
        refine_sample_size="auto",
        checkpoint_interval_seconds=9,
        write_assignments=False,
        write_report="False",
        sagemaker_session=session,
    )
    estimator.fit(records(), wait=False)
    sent = aws.named("CreateTrainingJob", "HyperParameters")
    taken = parse(sent)
    assert (taken.local_lloyd_num_trials, taken.extra_center_factor, taken.refine_sample_size) == (None, None, None)
    assert (taken.mini_batch_size, taken.seed, taken.checkpoint_interval_seconds) == (50, 7, 9)
    assert (taken.write_assignments, taken.write_report) == (False, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "string"),
        ("k", 0),
        ("k", 1),
        ("init_method", 0),
        ("init_method", "string"),
        ("max_iterations", "string"),
        ("max_iterations", 0),
        ("tol", "string"),
        ("tol", -0.1),
        ("tol", 1.1),
        ("local_init_method", 0),
        ("half_life_time_size", "string"),
        ("half_life_time_size", -1),
        ("epochs", 0),
        ("eval_metrics", 0),
    ],
)
def test_faults_are_those_of_the_sdk(aws: Aws, session: Any, name: str, value: Any) -> None:
    messages = []
    for kind in (sdk.KMeans, KMeans):
        with pytest.raises((ValueError, TypeError)) as caught:
            kind(**{**COMMON, "k": 2, name: value}, sagemaker_session=session)
        messages.append((caught.type, str(caught.value)))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_trials", 0), ("center_factor", "x"), ("seed", -1), ("write_report", "perhaps"), ("refine_sample_size", -1)],
)
def test_other_faults_are_told_when_they_are_set(aws: Aws, session: Any, name: str, value: Any) -> None:
    estimator = KMeans(**COMMON, k=2, sagemaker_session=session)
    with pytest.raises(ValueError, match=r"Invalid hyperparameter|invalid literal|expected True or False"):
        setattr(estimator, name, value)


def test_old_names_are_taken_with_the_sdks_warning(aws: Aws, session: Any) -> None:
    with pytest.warns(DeprecationWarning, match="train_instance_count has been renamed"):
        estimator = KMeans(
            ROLE, train_instance_count=3, train_instance_type="ml.c4.xlarge", k=2, sagemaker_session=session
        )
    assert (estimator.instance_count, estimator.instance_type) == (3, "ml.c4.xlarge")


def test_without_an_image_there_is_an_error_that_helps(aws: Aws, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEMAKER_KMEANS_IMAGE")
    for make in (
        lambda: KMeans(**COMMON, k=2, sagemaker_session=session),
        lambda: KMeansModel("s3://my-bucket/model.tar.gz", ROLE, session),
    ):
        with pytest.raises(ValueError, match=r"image_uri or the environment variable .*build_and_push"):
            make()
    assert KMeans(**COMMON, k=2, image_uri="a:1", sagemaker_session=session).training_image_uri() == "a:1"


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


def test_fit_ndarray_is_record_set_and_fit(aws: Aws, session: Any) -> None:
    estimator = KMeans(**COMMON, k=2, sagemaker_session=session)
    estimator.fit_ndarray(ROWS, mini_batch_size=10, wait=False, job_name="job")
    request = aws.sent("CreateTrainingJob")[-1]
    assert request["HyperParameters"]["mini_batch_size"] == "10"
    assert request["HyperParameters"]["feature_dim"] == "4"
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["S3DataDistributionType"]) == ("ManifestFile", "ShardedByS3Key")
    assert source["S3Uri"].removeprefix("s3://") in aws.objects


def test_attach_brings_back_image_and_hyperparameters(aws: Aws, session: Any) -> None:
    given = {**SETTINGS, "seed": 3, "center_factor": "auto", "write_report": False, "mini_batch_size": 9}
    estimator = KMeans(**COMMON, **given, image_uri="other:2", sagemaker_session=session)
    estimator.fit(records(), wait=False, job_name="job")
    attached = KMeans.attach("job", sagemaker_session=session)
    assert attached.training_image_uri() == "other:2"
    assert {name: getattr(attached, name) for name in given} == given
    assert attached.model_data == estimator.model_data
    attached.fit(records(), wait=False, job_name="again")
    first, second = aws.sent("CreateTrainingJob")
    for request in (first, second):
        # What attach of the SDK does not restore, or restores in another form.
        request["OutputDataConfig"].pop("KmsKeyId", None)
        for member in ("TrainingJobName", "ProfilerConfig", "ProfilerRuleConfigurations", "DebugHookConfig", "Tags"):
            request.pop(member, None)
    assert second == first


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


def test_analytics_ask_for_our_metrics(aws: Aws, session: Any) -> None:
    estimator = KMeans(**COMMON, k=2, sagemaker_session=session)
    estimator.fit(records(), wait=False, job_name="job")
    assert "test:msd" in estimator.training_job_analytics._metric_names


def test_a_tuner_says_where_the_metrics_are(aws: Aws, session: Any) -> None:
    estimator = KMeans(**COMMON, k=2, sagemaker_session=session)
    ranges = {"extra_center_factor": IntegerParameter(4, 10)}
    estimator.tuner(ranges, max_jobs=4).fit([records(), records(channel="test")], wait=False)
    request = aws.sent("CreateHyperParameterTuningJob")[-1]
    definition = request["TrainingJobDefinition"]["AlgorithmSpecification"]
    assert definition["TrainingImage"] == IMAGE
    assert "test:msd" in {metric["Name"] for metric in definition["MetricDefinitions"]}
    objective = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    assert objective == {"Type": "Minimize", "MetricName": "test:msd"}
    static = request["TrainingJobDefinition"]["StaticHyperParameters"]
    parse({**static, "extra_center_factor": "4"})


def test_a_pipeline_has_the_steps_arguments(aws: Aws, boto_session: Any) -> None:
    session = PipelineSession(boto_session=boto_session, default_bucket="my-bucket")
    k = ParameterInteger("k", 4)
    estimator = KMeans(**COMMON, k=k, sagemaker_session=session)
    step = TrainingStep("train", step_args=estimator.fit(records()))
    pipeline = Pipeline("pipeline", parameters=[k], steps=[step], sagemaker_session=session)
    (described,) = json.loads(pipeline.definition())["Steps"]
    arguments = described["Arguments"]
    assert arguments["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert arguments["AlgorithmSpecification"]["MetricDefinitions"]
    assert arguments["HyperParameters"]["k"] == {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.k"}]}}


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


def test_region_and_role_are_those_of_the_session(aws: Aws, session: Any) -> None:
    estimator = KMeans("SageMakerRole", 1, "ml.c5.xlarge", 2, sagemaker_session=session)
    estimator.fit(records(), wait=False)
    assert aws.named("CreateTrainingJob", "RoleArn") == ROLE
    assert session.boto_region_name == REGION
