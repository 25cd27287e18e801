from pathlib import Path
from typing import Any

import pytest

from container.configuration.channels import CSV, NPY, PARQUET, RECORDIO, ChannelConfiguration, channels_of
from container.errors import CustomerError

TRAIN = {"TrainingInputMode": "File"}
FOLDER = Path("/opt/ml/input/data")


def train(**settings: Any) -> ChannelConfiguration:
    return channels_of({"train": settings}, FOLDER)["train"]


def message(channels: dict[str, Any]) -> str:
    with pytest.raises(CustomerError) as caught:
        channels_of(channels, FOLDER)
    return str(caught.value).removeprefix("Customer Error: ")


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_input_modes(mode: str) -> None:
    assert train(TrainingInputMode=mode).mode == mode


@pytest.mark.parametrize(
    ("given", "content_type", "label_size"),
    [
        (None, RECORDIO, None),
        ("", RECORDIO, None),
        ("application/x-recordio-protobuf", RECORDIO, None),
        ("Application/X-RecordIO-Protobuf; version=1.0", RECORDIO, None),
        ("text/csv", CSV, None),
        ("text/csv;label_size=0", CSV, 0),
        ("application/x-parquet", PARQUET, None),
        ("application/x-parquet;label_size=1", PARQUET, 1),
        ("application/x-npy", NPY, None),
        ("application/x-npy; label_size=2", NPY, 2),
        ("TEXT/CSV ; Label_Size = 2 ; charset=UTF-8", CSV, 2),
        ('text/csv; charset="utf-8";', CSV, None),
        ("text/csv;label_size=0;encoding=utf-8", CSV, 0),
        ('text/csv; Encoding = "UTF8"; charset=US-ASCII', CSV, None),
        ("application/x-recordio-protobuf; encoding=utf_8", RECORDIO, None),
    ],
)
def test_content_types(given: str | None, content_type: str, label_size: int | None) -> None:
    channel = train(**({} if given is None else {"ContentType": given}))
    assert (channel.content_type, channel.label_size) == (content_type, label_size)


KNOWN = (
    "Channel train: expected content type application/x-recordio-protobuf or text/csv or application/x-parquet or"
    " application/x-npy, got "
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ContentType": "application/json"}, KNOWN + '"application/json"'),
        ({"ContentType": "text/csv,label_size=0"}, KNOWN + '"text/csv,label_size=0"'),
        ({"ContentType": "; label_size=0"}, KNOWN + '"; label_size=0"'),
        ({"ContentType": 5}, KNOWN + "5"),
        (
            {"ContentType": "text/csv; label_sise=0"},
            "Channel train: expected charset or encoding or header or label_size after content type text/csv,"
            ' got "label_sise=0"',
        ),
        (
            {"ContentType": "application/x-recordio-protobuf; label_size=0"},
            "Channel train: expected charset or encoding or version after content type "
            'application/x-recordio-protobuf, got "label_size=0"',
        ),
        (
            {"ContentType": "text/csv; label_size=-1"},
            'Channel train: expected label_size to be the number of label columns, got "-1"',
        ),
        (
            {"ContentType": "text/csv; label_size"},
            'Channel train: expected label_size to be the number of label columns, got ""',
        ),
        ({"ContentType": "text/csv; charset=utf-16"}, 'Channel train: expected charset utf-8, got "utf-16"'),
        ({"ContentType": "text/csv; encoding=Latin-1"}, 'Channel train: expected encoding utf-8, got "latin-1"'),
        (
            {"ContentType": "text/csv; charset=utf-8; encoding=cp1252"},
            'Channel train: expected encoding utf-8, got "cp1252"',
        ),
        (
            {"TrainingInputMode": "Stream"},
            'Channel train: expected TrainingInputMode File or FastFile or Pipe, got "Stream"',
        ),
        (
            {"TrainingInputMode": ["File"]},
            'Channel train: expected TrainingInputMode File or FastFile or Pipe, got ["File"]',
        ),
        (
            {"S3DistributionType": "Random"},
            'Channel train: expected S3DistributionType FullyReplicated or ShardedByS3Key, got "Random"',
        ),
        ({"ContentType": "text/csv;header=yes"}, 'Channel train: expected header present or absent, got "yes"'),
        (
            {"ContentType": "application/x-parquet", "TrainingInputMode": "Pipe"},
            "Channel train: expected TrainingInputMode File or FastFile for application/x-parquet, got Pipe: a pipe has"
            " all files as one, in which no file begins or ends",
        ),
        (
            {"ContentType": "application/x-npy", "TrainingInputMode": "Pipe"},
            "Channel train: expected TrainingInputMode File or FastFile for application/x-npy, got Pipe: a pipe has all"
            " files as one, in which no file begins or ends",
        ),
        (
            {"ContentType": "text/csv; header=present", "TrainingInputMode": "Pipe"},
            "Channel train: expected TrainingInputMode File or FastFile for text/csv;header=present, got Pipe: a pipe"
            " has all files as one, in which no file begins or ends",
        ),
        ({"RecordWrapperType": "RecordIO"}, 'Channel train: expected RecordWrapperType None, got "RecordIO"'),
    ],
)
def test_faults_of_a_channel(settings: dict[str, Any], expected: str) -> None:
    assert message({"train": settings}) == expected


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ({}, "Missing required channel: train"),
        ({"test": TRAIN}, "Missing required channel: train"),
        ({"train": TRAIN, "valid": TRAIN}, "Extraneous channel found: valid (expected train or test or model)"),
        ({"train": "File"}, 'Channel train: expected an object of settings, got "File"'),
    ],
)
def test_faults_of_the_channels(channels: dict[str, Any], expected: str) -> None:
    assert message(channels) == expected
