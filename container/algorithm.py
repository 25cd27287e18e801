"""Register the container as a SageMaker algorithm resource: a CreateAlgorithm request, made from the program's tables.

Run `python -m container.algorithm --image URI --role ARN`; with `--register` the request is sent.
"""

if __name__ == "__main__":
    # First of all, since the other imports take a moment.
    from container.stopping import end_on_interrupt

    end_on_interrupt()

import argparse
import json
import re
import sys
from typing import Any, Final

from container.packages import needed

with needed():
    import numpy as np

    from container.configuration.channels import CHANNELS, CONTENT_TYPES, CSV, RECORDIO, REQUIRED_CHANNELS
    from container.configuration.domains import Categorical, Continuous, Flag, Integer
    from container.configuration.hyperparameter_table import TABLE, Hyperparameter
    from container.formats.recordio.records import dense_record, encode
    from container.logs.metrics import OBJECTIVES, REGEXES
    from container.serving.codecs import CODECS
    from container.versions import RELEASE

DESCRIPTION: Final = "An open, drop-in replacement for the built-in K-means algorithm."
# Modes belong to a channel, not to a content type, so that its description says which ones a type has.
_MODES: Final = "Parquet, npy and CSV with a header in File and FastFile mode, others in Pipe mode too."
CHANNEL_DESCRIPTIONS: Final = {
    "train": f"The rows to cluster. {_MODES}",
    "test": f"Rows on which the model is scored: test:msd and test:ssd. {_MODES}",
    "model": "The model of an earlier job or a table of centers, to continue or, with epochs=0, to keep.",
}
# The service supports FastFile, but CreateAlgorithm rejects it (github.com/boto/boto3/issues/4469).
INPUT_MODES: Final = ("File", "Pipe")
# The service compares the content type of a job as a whole, with its parameters.
LABEL_SIZES: Final = (0, 1)
# Families of x86 instances for training, batch transform and hosting; each size is available for all three.
_SIZES_BY_FAMILY: Final = {
    "m5": ("xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"),
    "c5": ("xlarge", "2xlarge", "4xlarge", "9xlarge", "18xlarge"),
    "m6i": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"),
    "c6i": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"),
    "m7i": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"),
    "c7i": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"),
}
INSTANCE_TYPES: Final = tuple(f"ml.{family}.{size}" for family, sizes in _SIZES_BY_FAMILY.items() for size in sizes)

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_IMAGE = re.compile(r"[0-9]{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/\S{1,190}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>[0-9]{12}):role/[a-zA-Z_0-9+=,.@/-]{1,600}")
_S3_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<prefix>[!-~]{1,800}?)/*")

# The job that the service runs to validate the algorithm.
_VALIDATION_ROWS: Final = 1000
_VALIDATION_HYPERPARAMETERS: Final = {"k": "4", "feature_dim": "8"}
_VALIDATION_INSTANCE: Final = "ml.m5.xlarge"


def request(image: str, role: str, name: str, validation: str) -> dict[str, Any]:
    """Return the request of CreateAlgorithm.

    Parameters
    ----------
    image : str
        URI of the image in ECR.
    role : str
        ARN of the role with which the service runs the validation job.
    name : str
        The algorithm's name.
    validation : str
        S3 URI below which the validation job reads `train/` and writes `output/`.

    Returns
    -------
    dict
        The parameters, for boto3.
    """
    response_types = content_types = list(CODECS)
    return {
        "AlgorithmName": name,
        "AlgorithmDescription": DESCRIPTION,
        "TrainingSpecification": {
            "TrainingImage": image,
            "SupportedHyperParameters": [_hyperparameter(row) for row in TABLE],
            "SupportedTrainingInstanceTypes": list(INSTANCE_TYPES),
            "SupportsDistributedTraining": True,
            "MetricDefinitions": [{"Name": metric, "Regex": regex} for metric, regex in REGEXES.items()],
            "TrainingChannels": [_channel(channel) for channel in CHANNELS],
            "SupportedTuningJobObjectiveMetrics": [{"Type": "Minimize", "MetricName": metric} for metric in OBJECTIVES],
        },
        "InferenceSpecification": {
            "Containers": [{"Image": image}],
            "SupportedTransformInstanceTypes": list(INSTANCE_TYPES),
            "SupportedRealtimeInferenceInstanceTypes": list(INSTANCE_TYPES),
            "SupportedContentTypes": content_types,
            "SupportedResponseMIMETypes": response_types,
        },
        "ValidationSpecification": {
            "ValidationRole": role,
            "ValidationProfiles": [
                {"ProfileName": "four-clusters", "TrainingJobDefinition": _validation_job(validation)}
            ],
        },
    }


def _hyperparameter(row: Hyperparameter) -> dict[str, Any]:
    """Describe a hyperparameter in the service's terms.

    The service has no type "integer or 'auto'". A tunable hyperparameter of that kind is declared an integer without a
    default, since 'auto' is not an integer: to get 'auto', omit it. One that is not tunable is declared free text.
    """
    described: dict[str, Any] = {
        "Name": row.name,
        "Description": row.help,
        "Type": "FreeText",
        "IsTunable": bool(row.tunable),
        "IsRequired": row.default is None,
    }
    if row.default:
        described["DefaultValue"] = row.default
    match row.domain:
        case Integer(auto=True) if not row.tunable:
            pass
        case Integer() | Continuous():
            described["Type"] = kind = type(row.domain).__name__
            ends = {"MinValue": f"{row.domain.minimum}", "MaxValue": f"{row.domain.maximum}"}
            described["Range"] = {f"{kind}ParameterRangeSpecification": ends}
            if row.default == "auto":
                del described["DefaultValue"]
        case Categorical():
            described |= _categorical(row.domain.values)
        case Flag():
            # The service compares case-sensitively, and the SDK sends "True".
            auto = ("auto",) if row.domain.auto else ()
            described |= _categorical((*auto, "true", "false", "True", "False"))
    return described


def _categorical(values: tuple[str, ...]) -> dict[str, Any]:
    return {"Type": "Categorical", "Range": {"CategoricalParameterRangeSpecification": {"Values": list(values)}}}


def _channel(name: str) -> dict[str, Any]:
    content_types = CHANNELS[name]
    labelled = [
        f"{content_type};label_size={size}"
        for content_type in content_types
        if "label_size" in CONTENT_TYPES[content_type]
        for size in LABEL_SIZES
    ]
    headed = [f"{content_type};header=present" for content_type in (CSV, *labelled) if content_type.startswith(CSV)]
    return {
        "Name": name,
        "Description": CHANNEL_DESCRIPTIONS[name],
        "IsRequired": name in REQUIRED_CHANNELS,
        "SupportedContentTypes": [*content_types, *labelled, *(headed if CSV in content_types else [])],
        "SupportedCompressionTypes": ["None", "Gzip"],
        "SupportedInputModes": ["File"] if name == "model" else list(INPUT_MODES),
    }


def _validation_job(address: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"{address}/train/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "TrainingInputMode": "File",
        "HyperParameters": dict(_VALIDATION_HYPERPARAMETERS),
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": RECORDIO}],
        "OutputDataConfig": {"S3OutputPath": f"{address}/output/"},
        "ResourceConfig": {"InstanceType": _VALIDATION_INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }


def validation_data() -> bytes:
    """Return the rows of the validation job, as RecordIO."""
    n_features = int(_VALIDATION_HYPERPARAMETERS["feature_dim"])
    rows = np.random.default_rng(0).normal(size=(_VALIDATION_ROWS, n_features)).astype(np.float32)
    return encode(map(dense_record, rows))


def register(sagemaker: Any, s3: Any, parameters: dict[str, Any]) -> str:
    """Upload the rows of the validation job to S3 and send the request.

    Parameters
    ----------
    sagemaker, s3 : client
        Clients of boto3.
    parameters : dict
        The request, from `request`.

    Returns
    -------
    str
        The algorithm's ARN.
    """
    (profile,) = parameters["ValidationSpecification"]["ValidationProfiles"]
    (channel,) = profile["TrainingJobDefinition"]["InputDataConfig"]
    bucket, _, prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{prefix}rows.pbr", Body=validation_data())
    return str(sagemaker.create_algorithm(**parameters)["AlgorithmArn"])


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, print the request or send it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m container.algorithm", description=__doc__)
    parser.add_argument("--version", action="version", version=RELEASE)
    parser.add_argument("--image", required=True, help="the image in ECR, as build_and_push.sh names it")
    parser.add_argument("--role", required=True, help="ARN of the role of the validation job")
    parser.add_argument("--name", default="sagemaker-kmeans", help="the algorithm's name (default: %(default)s)")
    parser.add_argument(
        "--validation",
        metavar="S3-ADDRESS",
        help="where the validation job reads and writes (default: the SDK's bucket, sagemaker-REGION-ACCOUNT)",
    )
    parser.add_argument("--register", action="store_true", help="send the request; needs boto3 and your credentials")
    given = parser.parse_args(arguments)

    image, role = _IMAGE.fullmatch(given.image), _ROLE.fullmatch(given.role)
    if not image:
        parser.error(
            f"--image: expected ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY[:TAG], got {given.image[:200]!r}"
        )
    if not role:
        parser.error(f"--role: expected arn:aws:iam::ACCOUNT:role/NAME, got {given.role[:200]!r}")
    if not _NAME.fullmatch(given.name):
        parser.error(f"--name: expected up to 63 letters and digits, with hyphens between, got {given.name[:200]!r}")
    region = image["region"]
    validation = given.validation or f"s3://sagemaker-{region}-{role['account']}/{given.name}/validation"
    address = _S3_ADDRESS.fullmatch(validation)
    if not address:
        parser.error(f"--validation: expected s3://BUCKET/PREFIX, got {validation[:200]!r}")

    parameters = request(given.image, given.role, given.name, f"s3://{address['bucket']}/{address['prefix']}")
    if not given.register:
        sys.stdout.write(json.dumps(parameters, indent=2) + "\n")
        return 0
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        parser.error("--register needs boto3: pip install boto3")
    try:
        sagemaker, s3 = (boto3.client(service, region_name=region) for service in ("sagemaker", "s3"))
        arn = register(sagemaker, s3, parameters)
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stdout.write(f"{arn}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
