"""The classes on version 3 of the SDK: the requests of its own ModelTrainer and resources, validated by botocore."""

import io
import json
from typing import Any

import numpy as np
import pytest
from sagemaker.core.parameter import IntegerParameter

from container.configuration.hyperparameters import parse
from sagemaker_kmeans import KMeans, KMeansModel, KMeansPredictor
from sagemaker_kmeans.answers import split
from sagemaker_kmeans.record_message import Record, parsed
from sagemaker_kmeans.sdk3 import RecordSet
from tests.sagemaker_kmeans.sdk.conftest import ACCOUNT, IMAGE, REGION, ROLE, Aws, manifest_of

ROWS = np.random.default_rng(0).random((100, 4), np.float32)
COMMON: dict[str, Any] = {"role": ROLE, "instance_count": 2, "instance_type": "ml.c5.xlarge"}
MODEL = "s3://my-bucket/models/job/output/model.tar.gz"


@pytest.fixture(autouse=True)
def _quick(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_VALIDATE_ROLE", "false")
    aws.answers["CreateModel"] = lambda given: {"ModelArn": f"{arn('model')}/{given['ModelName']}"}
    aws.answers["DescribeModel"] = lambda given: {**given, "ModelArn": arn("model")}
    aws.answers["DescribeEndpointConfig"] = lambda given: {
        **given,
        "EndpointConfigArn": arn("endpoint-config"),
        "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "model"}],
    }


def arn(kind: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}"


def test_fit_trains_with_our_image_metrics_and_manifest(aws: Aws, session: Any) -> None:
    estimator = KMeans(
        **COMMON,
        k=3,
        center_factor="auto",
        eval_metrics=["msd", "ssd"],
        mini_batch_size=50,
        seed=7,
        write_report=False,
        output_path="s3://my-bucket/models",
        sagemaker_session=session,
    )
    sets = [estimator.record_set(ROWS), estimator.record_set(ROWS, channel="test", distribution="FullyReplicated")]
    estimator.fit(sets, wait=False, job_name="job")
    request = aws.sent("CreateTrainingJob")[-1]
    assert request["TrainingJobName"] == "job"
    assert request["RoleArn"] == ROLE
    assert request["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert "test:msd" in {metric["Name"] for metric in request["AlgorithmSpecification"]["MetricDefinitions"]}
    assert request["ResourceConfig"]["InstanceCount"] == 2
    assert request["OutputDataConfig"]["S3OutputPath"] == "s3://my-bucket/models"
    taken = parse(request["HyperParameters"])
    assert (taken.k, taken.feature_dim, taken.mini_batch_size, taken.seed) == (3, 4, 50, 7)
    assert (taken.extra_center_factor, taken.eval_metrics, taken.write_report) == (None, ("msd", "ssd"), False)
    train, test = request["InputDataConfig"]
    source = train["DataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["S3DataDistributionType"]) == ("ManifestFile", "ShardedByS3Key")
    assert test["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "FullyReplicated"
    keys = manifest_of(aws, source["S3Uri"])
    assert len(keys) == 2
    rows = [
        record.features["values"].float32_tensor.values[:] for key in keys for record in parsed(split(aws.objects[key]))
    ]
    np.testing.assert_array_equal(np.array(rows, np.float32), ROWS)
    assert estimator.model_data == MODEL


def test_attach_brings_back_image_and_hyperparameters(aws: Aws, session: Any) -> None:
    given: dict[str, Any] = {
        "k": 3,
        "tol": 0.5,
        "eval_metrics": ["msd"],
        "num_trials": "auto",
        "seed": 3,
        "write_report": False,
    }
    estimator = KMeans(**COMMON, **given, image_uri="other:2", sagemaker_session=session)
    estimator.fit(estimator.record_set(ROWS), wait=False, job_name="job")
    attached = KMeans.attach("job", session)
    assert {name: getattr(attached, name) for name in given} == given
    assert attached.training_image_uri() == "other:2"
    assert attached.model_data == estimator.model_data
    assert attached.latest_training_job.training_job_status == "Completed"
    attached.fit(attached.record_set(ROWS), wait=False, job_name="again")
    first, second = aws.sent("CreateTrainingJob")
    for member in ("HyperParameters", "ResourceConfig", "OutputDataConfig", "RoleArn"):
        assert second[member] == first[member]


def test_a_job_like_an_attached_one_is_in_its_network(aws: Aws, session: Any) -> None:
    from sagemaker.core.training.configs import Compute, Networking, StoppingCondition

    estimator = KMeans(
        **{**COMMON, "role": "SageMakerRole"},
        k=3,
        networking=Networking(
            subnets=["subnet-1"],
            security_group_ids=["sg-1"],
            enable_network_isolation=True,
            enable_inter_container_traffic_encryption=True,
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=77),
        compute=Compute(volume_size_in_gb=55),
        environment={"A": "b"},
        sagemaker_session=session,
    )
    estimator.fit_ndarray(ROWS, wait=False, job_name="job")
    attached = KMeans.attach("job", session)
    attached.instance_count = 3
    attached.fit_ndarray(ROWS, wait=False, job_name="again")
    first, second = aws.sent("CreateTrainingJob")
    assert first["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert first["ResourceConfig"] == {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 55}
    assert second["ResourceConfig"] == {**first["ResourceConfig"], "InstanceCount": 3}
    differing = {"TrainingJobName", "InputDataConfig", "ResourceConfig"}
    assert {name: second.get(name) for name in first.keys() - differing} == {
        name: first[name] for name in first.keys() - differing
    }
    for each in (estimator, attached):
        each.deploy(1, "ml.m5.large", wait=False)
        assert aws.named("CreateModel", "VpcConfig") == first["VpcConfig"]
        assert aws.named("CreateModel", "ExecutionRoleArn") == ROLE


def test_instances_of_a_configuration_get_a_shard_each(aws: Aws, session: Any) -> None:
    from sagemaker.core.training.configs import Compute

    compute = Compute(instance_type="ml.m5.large", instance_count=4)
    estimator = KMeans(ROLE, k=3, compute=compute, sagemaker_session=session)
    assert len(manifest_of(aws, estimator.record_set(ROWS).s3_data)) == 4
    with pytest.raises(ValueError, match="num_shards must be >= 1"):
        KMeans(**{**COMMON, "instance_count": 0}, k=3, sagemaker_session=session).record_set(ROWS)


@pytest.mark.parametrize("role", ["SageMakerRole", None])
def test_the_role_of_a_model_may_be_named_or_left_out(aws: Aws, session: Any, role: str | None) -> None:
    KMeansModel(MODEL, role, session).deploy(1, "ml.m5.large", wait=False)
    assert aws.named("CreateModel", "ExecutionRoleArn") == ROLE


def test_metrics_may_be_others_and_need_a_job(aws: Aws, session: Any) -> None:
    metrics = [{"Name": "a", "Regex": "b"}]
    estimator = KMeans(**COMMON, k=3, metric_definitions=metrics, sagemaker_session=session)
    with pytest.raises(ValueError, match="call fit or attach first"):
        _ = estimator.training_job_analytics
    estimator.fit_ndarray(ROWS, wait=False, job_name="job")
    assert aws.named("CreateTrainingJob", "AlgorithmSpecification")["MetricDefinitions"] == metrics
    assert estimator.training_job_analytics.name == "job"


def test_deploy_makes_a_model_and_an_endpoint(aws: Aws, session: Any) -> None:
    estimator = KMeans(**COMMON, k=3, output_path="s3://my-bucket/models", sagemaker_session=session)
    with pytest.raises(ValueError, match="call fit or attach first"):
        estimator.deploy()
    estimator.fit_ndarray(ROWS, wait=False, job_name="job")
    predictor = estimator.deploy(1, "ml.m5.large", endpoint_name="endpoint")
    assert type(predictor) is KMeansPredictor
    model = aws.sent("CreateModel")[-1]
    assert model["PrimaryContainer"]["Image"] == IMAGE
    assert model["PrimaryContainer"]["ModelDataUrl"] == MODEL
    (variant,) = aws.named("CreateEndpointConfig", "ProductionVariants")
    assert variant["ModelName"] == model["ModelName"]
    assert aws.named("CreateEndpoint", "EndpointName") == "endpoint"
    estimator.delete_endpoint()
    assert aws.sent("DeleteEndpoint") == [{"EndpointName": "endpoint"}]
    with pytest.raises(ValueError, match="call deploy first"):
        estimator.delete_endpoint()


def test_a_model_in_s3_is_transformed_with(aws: Aws, session: Any) -> None:
    model = KMeansModel(MODEL, ROLE, session, env={"SAGEMAKER_INFERENCE_OUTPUT": "distances"}, image_uri="a:1")
    aws.answers["CreateTransformJob"] = lambda _: {"TransformJobArn": arn("transform-job")}
    aws.answers["DescribeTransformJob"] = lambda given: {
        "TransformJobName": given["TransformJobName"],
        "TransformJobArn": arn("transform-job"),
        "TransformJobStatus": "Completed",
    }
    transformer = model.transformer(1, "ml.m5.large", output_path="s3://my-bucket/out")
    transformer.transform("s3://my-bucket/in", content_type="text/csv", split_type="Line", wait=False)
    assert aws.named("CreateTransformJob", "ModelName") == model.name
    assert aws.named("CreateModel", "PrimaryContainer")["Environment"] == {"SAGEMAKER_INFERENCE_OUTPUT": "distances"}


def test_a_tuner_says_where_the_metrics_are(aws: Aws, session: Any) -> None:
    aws.answers["CreateHyperParameterTuningJob"] = lambda _: {"HyperParameterTuningJobArn": arn("tuning-job")}
    aws.answers["DescribeHyperParameterTuningJob"] = lambda given: {
        **given,
        "HyperParameterTuningJobArn": arn("tuning-job"),
        "HyperParameterTuningJobStatus": "Completed",
    }
    estimator = KMeans(**COMMON, k=3, sagemaker_session=session)
    sets = [estimator.record_set(ROWS), estimator.record_set(ROWS, channel="test")]
    tuner = estimator.tuner({"extra_center_factor": IntegerParameter(4, 10)}, records=sets, max_jobs=4)
    tuner.tune(wait=False)
    request = aws.sent("CreateHyperParameterTuningJob")[-1]
    definition = request["TrainingJobDefinition"]
    assert definition["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert "test:msd" in {each["Name"] for each in definition["AlgorithmSpecification"]["MetricDefinitions"]}
    assert len(definition["InputDataConfig"]) == 2
    parse({**definition["StaticHyperParameters"], "extra_center_factor": "4"})


def test_a_pipeline_has_the_steps_arguments(aws: Aws, boto_session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # These modules want a region when they are imported.
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import TrainingStep

    session = PipelineSession(boto_session=boto_session, default_bucket="my-bucket")
    k = ParameterInteger("k", 4)
    estimator = KMeans(**COMMON, k=k, sagemaker_session=session)
    step = TrainingStep("train", step_args=estimator.fit(estimator.record_set(ROWS)))
    pipeline = Pipeline("pipeline", parameters=[k], steps=[step], sagemaker_session=session)
    (described,) = json.loads(pipeline.definition())["Steps"]
    arguments = described["Arguments"]
    assert arguments["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert arguments["AlgorithmSpecification"]["MetricDefinitions"]
    assert arguments["HyperParameters"]["k"] == {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.k"}]}}
    assert arguments["HyperParameters"]["feature_dim"] == "4"
    assert not aws.sent("CreateTrainingJob")
    address = ParameterString("rows", "s3://my-bucket/rows/.amazon.manifest")
    source = RecordSet(address, num_records=100, feature_dim=4).input_data().data_source.s3_data_source
    assert source.s3_uri is address


def test_predict_answers_records_and_arrays(aws: Aws, session: Any) -> None:
    from botocore.response import StreamingBody

    def invoke(given: dict[str, Any]) -> dict[str, Any]:
        body = b""
        for index, _ in enumerate(split(given["Body"])):
            record = Record()
            record.label["closest_cluster"].float32_tensor.values.append(index)
            record.label["distance_to_cluster"].float32_tensor.values.append(index / 2)
            content = record.SerializeToString()
            body += b"\x0a\x23\xd7\xce" + len(content).to_bytes(4, "little") + content + bytes(-len(content) % 4)
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}

    aws.answers["InvokeEndpoint"] = invoke
    predictor = KMeansPredictor("endpoint", session)
    found = predictor.predict(ROWS[:3])
    assert [record.label["closest_cluster"].float32_tensor.values[0] for record in found] == [0, 1, 2]
    labels, distances = predictor.predict_arrays(ROWS[0])
    assert (labels.tolist(), distances.tolist()) == ([0], [0.0])


@pytest.mark.parametrize(("name", "value"), [("k", 1), ("tol", 2), ("center_factor", "x"), ("seed", -1)])
def test_faults_are_reported_when_they_are_set(session: Any, name: str, value: Any) -> None:
    estimator = KMeans(**COMMON, k=3, sagemaker_session=session)
    with pytest.raises(ValueError, match=r"Invalid hyperparameter value|invalid literal"):
        setattr(estimator, name, value)


def test_unknown_keywords_are_refused(session: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword arguments: extra_center_factor, hyperparameters"):
        KMeans(**COMMON, k=3, extra_center_factor=4, hyperparameters={}, sagemaker_session=session)


def test_without_an_image_or_a_train_channel_there_is_an_error(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = KMeans(**COMMON, k=3, sagemaker_session=session)
    with pytest.raises(ValueError, match="Must provide train channel"):
        estimator.fit(estimator.record_set(ROWS, channel="test"))
    with pytest.raises(ValueError, match="Duplicate channels not allowed"):
        estimator.fit([estimator.record_set(ROWS), estimator.record_set(ROWS)])
    with pytest.raises(ValueError, match="'LOCAL' is not a valid Mode"):
        KMeans(**COMMON, k=3, training_mode="LOCAL", sagemaker_session=session)
    monkeypatch.delenv("SAGEMAKER_KMEANS_IMAGE")
    with pytest.raises(ValueError, match="build_and_push"):
        KMeans(**COMMON, k=3, sagemaker_session=session)
