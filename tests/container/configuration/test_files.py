import json
from pathlib import Path
from typing import Any

import pytest

from container.configuration.files import CSV, PARQUET, RECORDIO, ChannelConfiguration, JobConfiguration, Paths, load
from container.errors import CustomerError, JobError, PlatformError

HYPERPARAMETERS = {"k": "3", "feature_dim": "2"}
TRAIN = {"TrainingInputMode": "File"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    paths.config.mkdir(parents=True)
    return paths


def put(paths: Paths, **files: Any) -> None:
    """Write each argument as the JSON file of that name; text is written as it is."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (paths.config / f"{name}.json").write_text(text, encoding="utf-8")


def job(paths: Paths, **files: Any) -> JobConfiguration:
    put(paths, **{"hyperparameters": HYPERPARAMETERS, "inputdataconfig": {"train": TRAIN}, **files})
    return load(paths)


def train(paths: Paths, **settings: Any) -> ChannelConfiguration:
    return job(paths, inputdataconfig={"train": settings}).channels["train"]


def message(paths: Paths, error: type[JobError] = CustomerError, **files: Any) -> str:
    with pytest.raises(error) as caught:
        job(paths, **files)
    return str(caught.value).removeprefix(f"{error.prefix}: ")


def test_paths_hang_on_one_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEMAKER_BASE_DIR", raising=False)
    paths = Paths.from_environment()
    assert [str(path) for path in (paths.config, paths.data, paths.model, paths.output)] == [
        "/opt/ml/input/config",
        "/opt/ml/input/data",
        "/opt/ml/model",
        "/opt/ml/output",
    ]
    assert [str(path) for path in (paths.output_data, paths.failure, paths.checkpoints)] == [
        "/opt/ml/output/data",
        "/opt/ml/output/failure",
        "/opt/ml/checkpoints",
    ]
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", "/elsewhere")
    assert Paths.from_environment().model == Path("/elsewhere/model")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", "")
    assert Paths.from_environment().base == Path("/opt/ml")


def test_a_whole_job(paths: Paths) -> None:
    raw = HYPERPARAMETERS | {"force_dense": "True"}
    found = job(
        paths,
        hyperparameters=raw,
        inputdataconfig={
            "test": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "ContentType": "text/csv"},
            "train": {
                "TrainingInputMode": "Pipe",
                "S3DistributionType": "ShardedByS3Key",
                "RecordWrapperType": "None",
                "CompressionType": "None",
            },
        },
        resourceconfig={
            "current_host": "algo-2",
            "hosts": ["algo-2", "algo-10", "algo-1"],
            "network_interface_name": "ethwe",
            "current_instance_type": "ml.c5.xlarge",
        },
    )
    assert found.raw_hyperparameters == raw
    assert found.hyperparameters.k == 3
    assert list(found.channels.items()) == [
        ("train", ChannelConfiguration("train", RECORDIO, None, "Pipe", "ShardedByS3Key", paths.data / "train")),
        ("test", ChannelConfiguration("test", CSV, None, "File", "FullyReplicated", paths.data / "test")),
    ]
    assert found.place.hosts == ("algo-1", "algo-10", "algo-2")
    assert (found.place.leader, found.place.name, found.network_interface_name) == ("algo-1", "algo-2", "ethwe")


def test_by_hand_only_hyperparameters_are_needed(paths: Paths) -> None:
    for folder in ("test", "train", ".hidden"):
        (paths.data / folder).mkdir(parents=True)
    (paths.data / "notes.txt").write_text("no channel")
    put(paths, hyperparameters={"k": 3, "feature_dim": 2.0, "eval_metrics": ["msd", "ssd"], "force_dense": True})
    found = load(paths)
    assert list(found.channels.values()) == [
        ChannelConfiguration(name, RECORDIO, None, "File", "FullyReplicated", paths.data / name)
        for name in ("train", "test")
    ]
    assert (found.place.name, found.place.hosts, found.network_interface_name) == ("algo-1", ("algo-1",), "eth0")
    assert (found.hyperparameters.feature_dim, found.hyperparameters.eval_metrics) == (2, ("msd", "ssd"))


def test_by_hand_a_folder_with_another_name_is_reported(paths: Paths) -> None:
    (paths.data / "training").mkdir(parents=True)
    put(paths, hyperparameters=HYPERPARAMETERS)
    with pytest.raises(CustomerError) as caught:
        load(paths)
    assert str(caught.value) == (
        "Customer Error: Missing required channel: train; "
        "Extraneous channel found: training (expected train or test or model)"
    )


def test_a_byte_order_mark_is_no_fault(paths: Paths) -> None:
    assert job(paths, hyperparameters="\ufeff" + json.dumps(HYPERPARAMETERS)).hyperparameters.k == 3


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_input_modes(paths: Paths, mode: str) -> None:
    assert train(paths, TrainingInputMode=mode).mode == mode


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
        ("TEXT/CSV ; Label_Size = 2 ; charset=UTF-8", CSV, 2),
        ('text/csv; charset="utf-8";', CSV, None),
        ("text/csv;label_size=0;encoding=utf-8", CSV, 0),
        ('text/csv; Encoding = "UTF8"; charset=US-ASCII', CSV, None),
        ("application/x-recordio-protobuf; encoding=utf_8", RECORDIO, None),
    ],
)
def test_content_types(paths: Paths, given: str | None, content_type: str, label_size: int | None) -> None:
    channel = train(paths, **({} if given is None else {"ContentType": given}))
    assert (channel.content_type, channel.label_size) == (content_type, label_size)


KNOWN = (
    "Channel train: expected content type application/x-recordio-protobuf or text/csv or application/x-parquet, got "
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
            {"ContentType": "text/csv; header=present", "TrainingInputMode": "Pipe"},
            "Channel train: expected TrainingInputMode File or FastFile for text/csv;header=present, got Pipe: a pipe"
            " has all files as one, in which no file begins or ends",
        ),
        ({"RecordWrapperType": "RecordIO"}, 'Channel train: expected RecordWrapperType None, got "RecordIO"'),
    ],
)
def test_faults_of_a_channel(paths: Paths, settings: dict[str, Any], expected: str) -> None:
    assert message(paths, inputdataconfig={"train": settings}) == expected


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ({}, "Missing required channel: train"),
        ({"test": TRAIN}, "Missing required channel: train"),
        ({"train": TRAIN, "valid": TRAIN}, "Extraneous channel found: valid (expected train or test or model)"),
        ({"train": "File"}, 'Channel train: expected an object of settings, got "File"'),
    ],
)
def test_faults_of_the_channels(paths: Paths, channels: dict[str, Any], expected: str) -> None:
    assert message(paths, inputdataconfig=channels) == expected


def test_hyperparameters_are_checked(paths: Paths) -> None:
    found = message(paths, hyperparameters={"k": None, "feature_dim": 2})
    assert found == "Hyperparameter k: expected an integer from 2 to 16777216, got 'null'"


def test_a_test_metric_cannot_be_tuned_for_without_the_channel(paths: Paths) -> None:
    raw = HYPERPARAMETERS | {"_tuning_objective_metric": "test:msd"}
    assert message(paths, hyperparameters=raw) == (
        "The tuning objective metric is 'test:msd', which needs a channel named test"
    )
    assert "test" in job(paths, hyperparameters=raw, inputdataconfig={"train": TRAIN, "test": TRAIN}).channels


def test_hyperparameters_must_be_there(paths: Paths) -> None:
    with pytest.raises(CustomerError) as caught:
        load(paths)
    where = paths.config / "hyperparameters.json"
    assert str(caught.value) == f"Customer Error: Expected the job's hyperparameters in {where}, found no such file"


@pytest.mark.parametrize(
    ("name", "error"),
    [("hyperparameters", CustomerError), ("inputdataconfig", CustomerError), ("resourceconfig", PlatformError)],
)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", " must be valid JSON (caused by JSONDecodeError)"),
        ('{"k": "3"', " must be valid JSON (caused by JSONDecodeError)"),
        ("[" * 100_000, " must be valid JSON (caused by RecursionError)"),
        ('{"k": ' + "9" * 5000 + "}", " must be valid JSON (caused by ValueError)"),
        (
            '{"k": "3", "k": "4"}',
            " must be valid JSON (caused by ValueError)\n\nCaused by: expected each name once, got 'k' twice",
        ),
        ("[1]", ": expected an object, got [1]"),
        ('"' + "x" * (4 << 20) + '"', ": expected at most 4194304 bytes, got more"),
    ],
    ids=["empty", "torn", "deep", "long number", "twice", "list", "large"],
)
def test_broken_files(paths: Paths, name: str, error: type[JobError], content: str, expected: str) -> None:
    found = message(paths, error, **{name: content})
    assert found.startswith(f"{paths.config / name}.json{expected}")


@pytest.mark.parametrize("name", ["hyperparameters", "inputdataconfig"])
def test_bytes_that_are_no_utf8(paths: Paths, name: str) -> None:
    put(paths, hyperparameters=HYPERPARAMETERS)
    (paths.config / f"{name}.json").write_bytes(b'{"k": "\xff"}')
    with pytest.raises(CustomerError, match=r"must be valid JSON \(caused by UnicodeDecodeError\)"):
        load(paths)


def test_a_folder_in_place_of_a_file(paths: Paths) -> None:
    (paths.config / "hyperparameters.json").mkdir()
    with pytest.raises(CustomerError, match=r"hyperparameters\.json: expected a regular file, got a directory"):
        load(paths)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"current_host": "algo-1"}, "expected a list of hosts, got null"),
        ({"current_host": "algo-1", "hosts": []}, "expected a list of hosts, got []"),
        ({"current_host": "a", "hosts": ["a", "../b"]}, 'expected the name of a host, got "../b"'),
        ({"current_host": "a", "hosts": ["a", 7]}, "expected the name of a host, got 7"),
        ({"current_host": "a", "hosts": ["a", ""]}, 'expected the name of a host, got ""'),
        ({"current_host": "a", "hosts": ["a", "a\n"]}, 'expected the name of a host, got "a\\n"'),
        ({"current_host": "a", "hosts": ["a", "b" * 254]}, f'expected the name of a host, got "{"b" * 116}...'),
        ({"current_host": "a", "hosts": ["a", "a"]}, 'expected each host once, got ["a", "a"]'),
        ({"current_host": "c", "hosts": ["a", "b"]}, 'expected current_host to be one of ["a", "b"], got "c"'),
        ({"hosts": ["a", "b"]}, 'expected current_host to be one of ["a", "b"], got null'),
    ],
)
def test_faults_of_the_hosts(paths: Paths, resources: dict[str, Any], expected: str) -> None:
    found = message(paths, PlatformError, resourceconfig=resources)
    assert found == f"{paths.config / 'resourceconfig.json'}: {expected}"


def test_addresses_are_names_of_hosts(paths: Paths) -> None:
    found = job(paths, resourceconfig={"current_host": "127.0.0.2", "hosts": ["127.0.0.2", "127.0.0.1"]})
    assert found.place.hosts == ("127.0.0.1", "127.0.0.2")
