"""Jobs on version 2 of the SDK: the requests of the SDK's own KMeans, with our image and metrics."""

import json
from typing import Any

import pytest
from sagemaker.amazon import kmeans as sdk
from sagemaker.tuner import IntegerParameter
from sagemaker.workflow.parameters import ParameterInteger
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep

from container.configuration.hyperparameters import parse
from sagemaker_kmeans import KMeans, KMeansModel
from tests.sagemaker_kmeans.sdk.conftest import IMAGE, REGION, ROLE, Aws
from tests.sagemaker_kmeans.sdk.sdk2_calls import COMMON, ROWS, SETTINGS, estimators, records

# What differs from the requests of the SDK's class.
OURS = {"TrainingImage", "MetricDefinitions"}
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
        ("epochs", "string"),
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
def test_other_faults_are_reported_when_they_are_set(aws: Aws, session: Any, name: str, value: Any) -> None:
    estimator = KMeans(**COMMON, k=2, sagemaker_session=session)
    with pytest.raises(ValueError, match=r"Invalid hyperparameter|invalid literal|expected True or False"):
        setattr(estimator, name, value)


def test_unknown_keywords_are_refused(aws: Aws, session: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword arguments: extra_center_factor, hyperparameters"):
        KMeans(**COMMON, k=3, extra_center_factor=4, hyperparameters={}, sagemaker_session=session)


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


def test_fit_ndarray_is_record_set_and_fit(aws: Aws, session: Any) -> None:
    estimator = KMeans(**COMMON, k=2, sagemaker_session=session)
    estimator.fit_ndarray(ROWS, mini_batch_size=10, wait=False, job_name="job")
    request = aws.sent("CreateTrainingJob")[-1]
    assert request["HyperParameters"]["mini_batch_size"] == "10"
    assert request["HyperParameters"]["feature_dim"] == "4"
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["S3DataDistributionType"]) == ("ManifestFile", "ShardedByS3Key")
    assert source["S3Uri"].removeprefix("s3://") in aws.objects


def test_attach_brings_back_image_and_hyperparameters(aws: Aws, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The SDK waits 5 s before it looks whether the job has ended.
    monkeypatch.setattr("time.sleep", lambda _: None)
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


def test_region_and_role_are_those_of_the_session(aws: Aws, session: Any) -> None:
    estimator = KMeans("SageMakerRole", 1, "ml.c5.xlarge", 2, sagemaker_session=session)
    estimator.fit(records(), wait=False)
    assert aws.named("CreateTrainingJob", "RoleArn") == ROLE
    assert session.boto_region_name == REGION
