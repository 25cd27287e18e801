"""The real SDK and the real boto3; what they would send to AWS is validated by botocore, recorded and answered here."""

import gc
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.requirement import missing
from tools.ports import free_port

REGION = "eu-west-1"
ACCOUNT = "111122223333"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/kmeans:1.0"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"


def sdk_version() -> str:
    try:
        return version("sagemaker")
    except PackageNotFoundError:
        return ""


# Each version has an environment of its own, and modules of tests that are of it alone.
_MAJOR = sdk_version().partition(".")[0]
collect_ignore_glob = [f"test_sdk{major}_*" for major in "23" if major != _MAJOR]
if _MAJOR:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module(f"sagemaker_kmeans.sdk{_MAJOR}")
else:
    collect_ignore_glob.append("test_local.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            # The SDK warns of its own end, and of its dependencies.
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(autouse=True)
def _sdk() -> None:
    if not _MAJOR:
        missing("the SageMaker SDK is not installed; `make test-sdk` installs it")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set an empty home, an image, and nothing of AWS."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    monkeypatch.setenv("SAGEMAKER_KMEANS_IMAGE", IMAGE)


class Aws:
    """AWS, as far as these tests ask it.

    Attributes
    ----------
    requests : list of (str, dict)
        The operations asked for, with their parameters, in order. botocore has validated each.
    objects : dict of str to bytes
        What S3 holds, by ``bucket/key``.
    answers : dict of str to callable
        By operation, what makes the answer of its parameters.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.objects: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "GetCallerIdentity": lambda _: {"Account": ACCOUNT, "Arn": ROLE},
            "GetRole": lambda given: {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}"}},
            "CreateTrainingJob": self._create_training_job,
            "DescribeTrainingJob": lambda given: self.jobs[given["TrainingJobName"]],
            "ListBuckets": lambda _: {"Buckets": [{"Name": "my-bucket", "CreationDate": datetime.now(UTC)}]},
            "CreateEndpoint": lambda given: {
                "EndpointArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{given['EndpointName']}"
            },
            "ListTags": lambda _: {"Tags": []},
            "DescribeEndpoint": lambda given: {
                "EndpointName": given["EndpointName"],
                "EndpointArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{given['EndpointName']}",
                "EndpointStatus": "InService",
                "EndpointConfigName": given["EndpointName"],
            },
            "DescribeEndpointConfig": lambda given: {
                "ProductionVariants": [{"ModelName": self.named("CreateModel", "ModelName")}]
            },
        }
        self._given: dict[str, Any] = {}

    def named(self, operation: str, member: str) -> Any:
        """Return a member of the latest request of an operation."""
        return self.sent(operation)[-1][member]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of all requests of an operation."""
        return [params for name, params in self.requests if name == operation]

    def note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        kept = {key: value.read() if hasattr(value, "read") else value for key, value in params.items()}
        for key, value in params.items():
            if hasattr(value, "seek"):
                value.seek(0)
                kept[key] = bytes(kept[key])
        self.requests.append((model.name, kept))
        self._given[model.name] = kept

    def answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        given = self._given[model.name]
        if model.name == "PutObject":
            self.objects[f"{given['Bucket']}/{given['Key']}"] = given["Body"]
        make = self.answers.get(model.name)
        answered = make(given) if make else {}
        return type("Http", (), {"status_code": 200})(), {**answered, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def _create_training_job(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["TrainingJobName"]
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
        output = given["OutputDataConfig"]
        self.jobs[name] = {
            **given,
            "TrainingJobArn": arn,
            "TrainingStartTime": datetime.now(UTC),
            "TrainingEndTime": datetime.now(UTC),
            "TrainingJobStatus": "Completed",
            "SecondaryStatus": "Completed",
            "OutputDataConfig": {"KmsKeyId": "", **output},
            "ModelArtifacts": {"S3ModelArtifacts": f"{output['S3OutputPath'].rstrip('/')}/{name}/output/model.tar.gz"},
        }
        return {"TrainingJobArn": arn}


_AWS = Aws()


@pytest.fixture(scope="session")
def boto_session() -> Any:
    """Return one session for all tests: it takes a second to read its models of the services."""
    import boto3

    session = boto3.Session(region_name=REGION, aws_access_key_id="dummy", aws_secret_access_key="dummy")
    session.events.register_first("provide-client-params.*.*", _AWS.note)
    session.events.register_first("before-call.*.*", _AWS.answer)
    return session


@pytest.fixture(scope="session")
def session(boto_session: Any) -> Any:
    """Return a session of the installed SDK."""
    if _MAJOR == "2":
        from sagemaker import Session
    else:
        from sagemaker.core.helper.session_helper import Session
    return Session(boto_session=boto_session, default_bucket="my-bucket")


@pytest.fixture
def aws(boto_session: Any) -> Aws:
    """Return AWS as it is before anything was asked."""
    _AWS.forget()
    return _AWS


def manifest_of(aws: Aws, address: str) -> list[str]:
    """Return the keys that a manifest in S3 lists."""
    (head, *names) = json.load(io.BytesIO(aws.objects[address.removeprefix("s3://")]))
    return [head["prefix"].removeprefix("s3://") + name for name in names]


# What `docker context inspect` prints.
_CONTEXT = '[{"Endpoints": {"docker": {"Host": "unix:///var/run/docker.sock"}}}]'
# The module of the SDK that looks every 5 s whether a container answers.
_ENTITIES = {"2": "sagemaker.local.entities", "3": "sagemaker.core.local.entities"}


@contextmanager
def local_mode(folder: Path) -> Iterator[None]:
    """Put a docker-compose of these tests first, an empty home, and nothing of AWS anywhere."""
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    scripts = {
        "docker": f"#!/bin/sh\n[ $1 = context ] && echo '{_CONTEXT}'\n",
        "docker-compose": f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("compose.py")}" "$@"\n',
    }
    for name, script in scripts.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (home / ".sagemaker").mkdir(parents=True)
    (home / ".sagemaker" / "config.yaml").write_text(f"local:\n  serving_port: {free_port()}\n")
    entities = _ENTITIES[_MAJOR]
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("HOME", str(home))
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
        patch.setattr("tempfile.tempdir", None)
        # It looks 24 times, in 120 s.
        patch.setattr(f"{entities}.time", SimpleNamespace(sleep=lambda _: time.sleep(0.1)))
        patch.setattr(f"{entities}.HEALTH_CHECK_TIMEOUT_LIMIT", 5 * 600)
        patch.chdir(folder)
        yield
    # While warnings are ignored: the SDK leaves pipes of its processes open.
    gc.collect()
