"""What the environment asks of the server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from container.errors import CustomerError
from container.resources import cpu_count, memory_limit_bytes
from container.serving.codecs import CODECS
from container.serving.outputs import DEFAULT_OUTPUTS, OUTPUTS

_DEFAULT_PORT = 8080
# The most that batch transform sends.
MAX_PAYLOAD_MB = 100
_DEFAULT_TOP_N = 5
_MAX_TOP_N = 1000
# What the service itself takes where nothing else is said.
_BATCH_PAYLOAD_MB = 6
_TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}
STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
# Where requests have no bound, one may take this share of the memory.
_HELD_SHARE = 8


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What the environment says.

    Parameters
    ----------
    port : int
        Port to listen on.
    max_payload_bytes : int or None
        Longer requests are refused; None if they may have any length.
    max_held_bytes : int or None
        Bound of what is held of a request: of the part of its body that has given no row yet, and of its answer.
    batch_payload_mb : int
        What a batch transform job is told to send at most.
    batch_strategy : str
        How it is told to fill a request: one of `STRATEGIES`.
    default_accept : str
        The media type of an answer where the client has no preference; one of `container.serving.codecs.CODECS`.
    outputs : tuple of str
        What an answer holds, in this order; names of `container.serving.outputs.OUTPUTS`.
    top_n : int
        Bound of the clusters that ``top_clusters`` and ``top_distances`` name.
    multi_model : bool
        Whether models come and go by requests, instead of lying in `/opt/ml/model`.
    metrics : bool
        Whether ``GET /metrics`` is answered.
    workers : int
        Processes that answer.
    """

    port: int = _DEFAULT_PORT
    max_payload_bytes: int | None = MAX_PAYLOAD_MB << 20
    max_held_bytes: int | None = None
    batch_payload_mb: int = _BATCH_PAYLOAD_MB
    batch_strategy: str = STRATEGIES[0]
    default_accept: str = next(iter(CODECS))
    outputs: tuple[str, ...] = DEFAULT_OUTPUTS
    top_n: int = _DEFAULT_TOP_N
    multi_model: bool = False
    metrics: bool = False
    workers: int = field(default_factory=cpu_count)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServingSettings":
        """Read the settings.

        Raises
        ------
        CustomerError
            If a variable holds what it cannot.
        """
        megabytes, advised = (
            _whole_number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", default, 0, 2048)
            for default in (MAX_PAYLOAD_MB, _BATCH_PAYLOAD_MB)
        )
        return cls(
            port=_whole_number(environment, "SAGEMAKER_BIND_TO_PORT", _DEFAULT_PORT, 1, 65535),
            # Batch transform says 0 when it streams whole files, chunk by chunk.
            max_payload_bytes=megabytes << 20 or None,
            max_held_bytes=None if megabytes else memory_limit_bytes() // _HELD_SHARE,
            batch_payload_mb=min(advised or _BATCH_PAYLOAD_MB, MAX_PAYLOAD_MB),
            batch_strategy=_one_of(environment, "SAGEMAKER_BATCH_STRATEGY", STRATEGIES),
            default_accept=_one_of(environment, "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", tuple(CODECS)),
            outputs=_outputs(environment),
            top_n=_whole_number(environment, "SAGEMAKER_INFERENCE_TOP_N", _DEFAULT_TOP_N, 1, _MAX_TOP_N),
            multi_model=_truth(environment, "SAGEMAKER_MULTI_MODEL"),
            metrics=_truth(environment, "SAGEMAKER_KMEANS_METRICS"),
            workers=_whole_number(environment, "SAGEMAKER_KMEANS_WORKERS", cpu_count(), 1, 1024),
        )


def _whole_number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise CustomerError(f"{name}: expected a whole number from {least} to {most}, got {text[:40]!r}")
    return int(text)


def _truth(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").strip()
    if text.lower() not in _TRUTHS:
        raise CustomerError(f"{name}: expected true or false, got {text[:40]!r}")
    return _TRUTHS[text.lower()]


def _one_of(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = environment.get(name, "").strip()
    # The SDK writes the names of strategies in the case of its own API.
    found = {choice.replace("_", "").lower(): choice for choice in choices}.get(text.lower().replace("_", ""))
    if text and found is None:
        raise CustomerError(f"{name}: expected {' or '.join(choices)}, got {text[:40]!r}")
    return found or choices[0]


def _outputs(environment: Mapping[str, str]) -> tuple[str, ...]:
    name = "SAGEMAKER_INFERENCE_OUTPUT"
    given = tuple(word.strip() for word in environment.get(name, "").split(",") if word.strip())
    for number, word in enumerate(given):
        if word not in OUTPUTS:
            raise CustomerError(f"{name}: expected names of {', '.join(OUTPUTS)}, got {word[:40]!r}")
        if word in given[:number]:
            raise CustomerError(f"{name}: expected each name once, got {word!r} twice")
    return given or DEFAULT_OUTPUTS
