"""What the environment may hold."""

import pytest

from container.errors import CustomerError
from container.resources import memory_limit_bytes
from container.serving.settings import ServingSettings
from tests.container.serving.wire import CSV, JSON, JSON_LINES


def test_an_empty_environment_gives_the_built_ins_behaviour() -> None:
    assert ServingSettings.from_environment({}) == ServingSettings()
    assert ServingSettings().outputs == ("closest_cluster", "distance_to_cluster")
    assert not ServingSettings().multi_model
    assert not ServingSettings().metrics


@pytest.mark.parametrize(
    ("megabytes", "bound", "batch"), [("", 100, 6), (" ", 100, 6), ("1", 1, 1), ("100", 100, 100), ("1024", 1024, 100)]
)
def test_the_payload(megabytes: str, bound: int, batch: int) -> None:
    settings = ServingSettings.from_environment({"SAGEMAKER_MAX_PAYLOAD_IN_MB": megabytes})
    assert (settings.max_payload_bytes, settings.batch_payload_mb) == (bound << 20, batch)
    assert settings.max_held_bytes is None


def test_a_payload_of_any_length() -> None:
    settings = ServingSettings.from_environment({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    assert (settings.max_payload_bytes, settings.batch_payload_mb) == (None, 6)
    assert settings.max_held_bytes is not None
    assert 0 < settings.max_held_bytes < memory_limit_bytes()


@pytest.mark.parametrize(
    ("text", "media_type"), [("", JSON), ("text/csv", CSV), (" Application/JSONLines ", JSON_LINES)]
)
def test_the_default_answer(text: str, media_type: str) -> None:
    settings = ServingSettings.from_environment({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": text})
    assert settings.default_accept == media_type


@pytest.mark.parametrize(("text", "contamination"), [("", None), (" 0.05 ", 0.05), ("1e-5", 0.00001)])
def test_the_contamination(text: str, contamination: float | None) -> None:
    settings = ServingSettings.from_environment({"SAGEMAKER_INFERENCE_CONTAMINATION": text})
    assert settings.contamination == contamination


@pytest.mark.parametrize(
    ("text", "strategy"),
    [("", "MULTI_RECORD"), ("SINGLE_RECORD", "SINGLE_RECORD"), ("SingleRecord", "SINGLE_RECORD")],
)
def test_the_strategy(text: str, strategy: str) -> None:
    assert ServingSettings.from_environment({"SAGEMAKER_BATCH_STRATEGY": text}).batch_strategy == strategy


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SAGEMAKER_INFERENCE_OUTPUT", "distance", "expected names of closest_cluster, .*, got 'distance'"),
        ("SAGEMAKER_INFERENCE_OUTPUT", "distances,distances", "expected each name once, got 'distances' twice"),
        ("SAGEMAKER_INFERENCE_TOP_N", "0", "expected a whole number from 1 to 1000, got '0'"),
        ("SAGEMAKER_INFERENCE_TOP_N", "1001", "expected a whole number from 1 to 1000, got '1001'"),
        ("SAGEMAKER_BATCH_STRATEGY", "ALL", "expected MULTI_RECORD or SINGLE_RECORD, got 'ALL'"),
        ("SAGEMAKER_KMEANS_METRICS", "perhaps", "expected true or false, got 'perhaps'"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "*/*", "expected application/json or .*, got '\\*/\\*'"),
        ("SAGEMAKER_INFERENCE_CONTAMINATION", "0", "expected a number from 1e-05 to 0.5, got '0'"),
        ("SAGEMAKER_INFERENCE_CONTAMINATION", "nan", "expected a number from 1e-05 to 0.5, got 'nan'"),
        ("SAGEMAKER_MULTI_MODEL", "2", "expected true or false, got '2'"),
    ],
)
def test_what_cannot_be(name: str, value: str, expected: str) -> None:
    with pytest.raises(CustomerError, match=f"{name}: {expected}"):
        ServingSettings.from_environment({name: value})
