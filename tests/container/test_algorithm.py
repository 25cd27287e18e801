"""`python -m container.algorithm`: the CreateAlgorithm request, measured by botocore's model of the service."""

import json
import re
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import numpy as np
import pytest
from botocore.model import Shape
from botocore.stub import ANY, Stubber
from botocore.validate import ParamValidator

from container import algorithm
from container.configuration.hyperparameter_table import TABLE, defaults
from container.configuration.hyperparameters import parse
from container.formats.recordio.records import decode
from container.logs.metrics import REGEXES
from tests.container.job.job import Job

IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-kmeans:1"
ROLE = "arn:aws:iam::111122223333:role/service-role/SageMakerRole"
ARN = "arn:aws:sagemaker:eu-west-1:111122223333:algorithm/sagemaker-kmeans"
GIVEN = ["--image", IMAGE, "--role", ROLE]
# Python has no Unicode classes in its regexes. These of the service are all characters but control characters.
PRINTABLE = r"[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]"


def printed(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert algorithm.main([*GIVEN, *more]) == 0
    request: dict[str, Any] = json.loads(capsys.readouterr().out)
    return request


@pytest.fixture
def request_(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return printed(capsys)


def faults(shape: Shape, value: Any, path: str = "") -> list[str]:
    """Check what botocore knows of a value and does not check itself: patterns, words, greatest lengths."""
    limits = shape.metadata
    found = []
    if shape.type_name == "structure":
        return [f for name, part in value.items() for f in faults(shape.members[name], part, f"{path}.{name}")]
    if shape.type_name == "list":
        found = [f for i, part in enumerate(value) for f in faults(shape.member, part, f"{path}[{i}]")]
    elif shape.type_name == "map":
        for name, part in value.items():
            found += faults(shape.key, name, f"{path} key") + faults(shape.value, part, f"{path}.{name}")
    if isinstance(value, str):
        pattern = limits.get("pattern", "[^$]*").replace(PRINTABLE, r"[^\x00-\x1f]")
        if not re.fullmatch(pattern, value) or r"\p" in pattern:
            found.append(f"{path}: {value!r} is not of the form {pattern}")
        if shape.type_name == "string" and shape.enum and value not in shape.enum:
            found.append(f"{path}: {value!r} is not one of {shape.enum}")
    if isinstance(value, str | list | dict) and not limits.get("min", 0) <= len(value) <= limits.get("max", 1 << 30):
        found.append(f"{path}: has a length of {len(value)}, expected {limits}")
    return found


def test_the_request_passes_all_that_botocore_knows_of_the_service(request_: dict[str, Any]) -> None:
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for("CreateAlgorithmInput")
    assert ParamValidator().validate(request_, shape).generate_report() == ""
    assert faults(shape, request_) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("AlgorithmName",), "two words"),
        (("TrainingSpecification", "TrainingImage"), "a b"),
        (("TrainingSpecification", "SupportedTrainingInstanceTypes"), ["ml.none"]),
        (("TrainingSpecification", "TrainingChannels"), []),
        (("TrainingSpecification", "SupportedHyperParameters"), [{"Name": "a", "Type": "FreeText"}] * 101),
    ],
)
def test_the_check_itself_finds_faults(request_: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for("CreateAlgorithmInput")
    part = request_
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    assert faults(shape, request_)


def by_name(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["Name"]: row for row in request["TrainingSpecification"]["SupportedHyperParameters"]}


def test_every_hyperparameter_of_the_table_is_supported(request_: dict[str, Any]) -> None:
    assert list(by_name(request_)) == [row.name for row in TABLE]


def test_the_tunable_ones_are_those_of_the_built_in(request_: dict[str, Any]) -> None:
    tunable = {name: row["Type"] for name, row in by_name(request_).items() if row["IsTunable"]}
    assert tunable == {
        "init_method": "Categorical",
        "mini_batch_size": "Integer",
        "epochs": "Integer",
        "extra_center_factor": "Integer",
    }


def test_what_is_required_has_no_default_and_the_rest_parses(request_: dict[str, Any]) -> None:
    rows = by_name(request_)
    assert {name for name, row in rows.items() if row["IsRequired"]} == {"feature_dim", "k"}
    stated = {name: row["DefaultValue"] for name, row in rows.items() if "DefaultValue" in row}
    assert not {"feature_dim", "k"} & set(stated)
    left_out = {name for name in defaults() if name not in stated}
    empty = {"feature_columns", "id_column", "weight_column", "feature_names", "_tuning_objective_metric"}
    assert left_out == {"extra_center_factor", *empty}
    assert parse({"k": "2", "feature_dim": "1", **stated}) == parse({"k": "2", "feature_dim": "1"})


def test_a_default_is_a_value_of_its_range(request_: dict[str, Any]) -> None:
    for row in by_name(request_).values():
        for kind, allowed in row.get("Range", {}).items():
            default = row.get("DefaultValue")
            if default is not None and kind.startswith("Categorical"):
                assert default in allowed["Values"]
            elif default is not None:
                assert float(allowed["MinValue"]) <= float(default) <= float(allowed["MaxValue"])


def test_both_ends_of_every_range_are_values_of_the_container(request_: dict[str, Any]) -> None:
    for name, row in by_name(request_).items():
        for allowed in row.get("Range", {}).values():
            for value in allowed.get("Values") or (allowed["MinValue"], allowed["MaxValue"]):
                parse({"k": "2", "feature_dim": "1", name: value})


@pytest.mark.parametrize("name", ["local_lloyd_num_trials", "refine_sample_size"])
def test_auto_stays_a_value_where_nothing_is_tuned(request_: dict[str, Any], name: str) -> None:
    assert by_name(request_)[name]["Type"] == "FreeText"
    assert by_name(request_)[name]["DefaultValue"] == "auto"


def test_it_names_the_image_in_both_roles_and_the_name_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    request = printed(capsys, "--name", "my-kmeans", "--validation", "s3://bucket/some/place/")
    assert request["AlgorithmName"] == "my-kmeans"
    assert request["TrainingSpecification"]["TrainingImage"] == IMAGE
    assert request["InferenceSpecification"]["Containers"] == [{"Image": IMAGE}]
    (profile,) = request["ValidationSpecification"]["ValidationProfiles"]
    (channel,) = profile["TrainingJobDefinition"]["InputDataConfig"]
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://bucket/some/place/train/"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["--image", "kmeans", "--role", ROLE], "--image: expected ACCOUNT"),
        (["--image", IMAGE, "--role", "admin"], "--role: expected arn"),
        ([*GIVEN, "--name", "two words"], "--name: expected"),
        ([*GIVEN, "--validation", "bucket"], "--validation: expected s3://"),
    ],
)
def test_a_wrong_argument_is_named(capsys: pytest.CaptureFixture[str], given: list[str], fault: str) -> None:
    with pytest.raises(SystemExit) as stop:
        algorithm.main(given)
    assert stop.value.code == 2
    assert fault in capsys.readouterr().err


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_registration_sends_the_rows_of_the_validation_job_and_then_the_request(request_: dict[str, Any]) -> None:
    sagemaker, s3 = client("sagemaker"), client("s3")
    stored = {}
    s3.meta.events.register("provide-client-params.s3.PutObject", lambda params, **_: stored.update(params))
    key = "sagemaker-kmeans/validation/train/rows.pbr"
    with Stubber(sagemaker) as first, Stubber(s3) as second:
        second.add_response("put_object", {}, {"Bucket": "sagemaker-eu-west-1-111122223333", "Key": key, "Body": ANY})
        first.add_response("create_algorithm", {"AlgorithmArn": ARN}, request_)
        assert algorithm.register(sagemaker, s3, request_) == ARN
        first.assert_no_pending_responses()
        second.assert_no_pending_responses()
    rows, _ = decode(stored["Body"], 8)
    assert rows.shape == (1000, 8)


def test_a_refusal_by_the_service_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clients = {service: client(service) for service in ("sagemaker", "s3")}
    monkeypatch.setattr(boto3, "client", lambda service, **_: clients[service])
    with Stubber(clients["s3"]) as stub:
        stub.add_client_error("put_object", "NoSuchBucket", "The specified bucket does not exist")
        assert algorithm.main([*GIVEN, "--register"]) == 3
    assert "The specified bucket does not exist" in capsys.readouterr().err


def test_the_validation_job_and_every_metric_are_real(request_: dict[str, Any], tmp_path: Path) -> None:
    """Run the very job that the service would, with a test channel, and read its log as the service would."""
    (profile,) = request_["ValidationSpecification"]["ValidationProfiles"]
    hyperparameters = profile["TrainingJobDefinition"]["HyperParameters"]
    file_mode = {"TrainingInputMode": profile["TrainingJobDefinition"]["TrainingInputMode"]}
    job = Job(tmp_path, {**hyperparameters, "eval_metrics": '["msd", "ssd"]'}, {"train": file_mode, "test": file_mode})
    for channel in job.channels:
        (job.folder(channel) / "rows.pbr").write_bytes(algorithm.validation_data())
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    definitions = request_["TrainingSpecification"]["MetricDefinitions"]
    assert {definition["Name"] for definition in definitions} == set(REGEXES)
    for definition in definitions:
        found = [re.search(definition["Regex"], line) for line in ended.log.splitlines()]
        values = [float(match[1]) for match in found if match]
        assert values, definition
        assert all(np.isfinite(values)), definition
    objectives = request_["TrainingSpecification"]["SupportedTuningJobObjectiveMetrics"]
    assert {objective["MetricName"] for objective in objectives} <= set(REGEXES)
