"""The settings of the server, from environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from container.artifacts.distances import MAX_CONTAMINATION, MIN_CONTAMINATION
from container.configuration.domains import Continuous
from container.errors import CustomerError
from container.resources import cpu_count, memory_limit_bytes
from container.serving.codecs import CODECS
from container.serving.outputs import DEFAULT_OUTPUTS, OUTPUTS

_DEFAULT_PORT = 8080
# The maximum that batch transform sends.
MAX_PAYLOAD_MB = 100
_DEFAULT_TOP_N = 5
_MAX_TOP_N = 1000
# The default of the service.
_BATCH_PAYLOAD_MB = 6
_TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}
STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
# If the length of requests has no limit, a request may take this part of the memory: one eighth.
_HELD_SHARE = 8


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """The settings of the server.

    Attributes
    ----------
    port : int
        The port to listen on.
    max_payload_bytes : int or None
        Maximum length of a request; None for no limit.
    max_held_bytes : int or None
        Maximum number of bytes of a request in memory: the undecoded part of its body, and its answer.
    batch_payload_mb : int
        The maximum length of a request that `/execution-parameters` reports.
    batch_strategy : str
        The strategy for requests that `/execution-parameters` reports: one of `STRATEGIES`.
    default_accept : str
        The media type of an answer if the client has no preference; a key of `container.serving.codecs.CODECS`.
    outputs : tuple of str
        The outputs of an answer, in order; keys of `container.serving.outputs.OUTPUTS`.
    top_n : int
        Maximum number of clusters in ``top_clusters`` and ``top_distances``.
    contamination : float or None
        The part of the training rows that ``is_anomaly`` is 1 for; None for that of the model.
    multi_model : bool
        Whether requests load and unload models; otherwise `/opt/ml/model` is served.
    metrics : bool
        Whether ``GET /metrics`` is answered.
    workers : int
        Number of worker processes.
    """

    port: int = _DEFAULT_PORT
    max_payload_bytes: int | None = MAX_PAYLOAD_MB << 20
    max_held_bytes: int | None = None
    batch_payload_mb: int = _BATCH_PAYLOAD_MB
    batch_strategy: str = STRATEGIES[0]
    default_accept: str = next(iter(CODECS))
    outputs: tuple[str, ...] = DEFAULT_OUTPUTS
    top_n: int = _DEFAULT_TOP_N
    contamination: float | None = None
    multi_model: bool = False
    metrics: bool = False
    workers: int = field(default_factory=cpu_count)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServingSettings":
        """Read the settings.

        Parameters
        ----------
        environment : Mapping of str to str
            The environment variables.

        Returns
        -------
        ServingSettings
            With defaults for variables that are not set.

        Raises
        ------
        CustomerError
            If the value of a variable is not valid.
        """
        megabytes, advised = (
            _whole_number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", default, 0, 2048)
            for default in (MAX_PAYLOAD_MB, _BATCH_PAYLOAD_MB)
        )
        return cls(
            port=_whole_number(environment, "SAGEMAKER_BIND_TO_PORT", _DEFAULT_PORT, 1, 65535),
            # Batch transform sets 0 when it streams whole files, chunk by chunk.
            max_payload_bytes=megabytes << 20 or None,
            max_held_bytes=None if megabytes else memory_limit_bytes() // _HELD_SHARE,
            batch_payload_mb=min(advised or _BATCH_PAYLOAD_MB, MAX_PAYLOAD_MB),
            batch_strategy=_one_of(environment, "SAGEMAKER_BATCH_STRATEGY", STRATEGIES),
            default_accept=_one_of(environment, "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", tuple(CODECS)),
            outputs=_outputs(environment),
            top_n=_whole_number(environment, "SAGEMAKER_INFERENCE_TOP_N", _DEFAULT_TOP_N, 1, _MAX_TOP_N),
            contamination=_contamination(environment),
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


def _contamination(environment: Mapping[str, str]) -> float | None:
    name = "SAGEMAKER_INFERENCE_CONTAMINATION"
    text = environment.get(name, "").strip()
    if not text:
        return None
    domain = Continuous(MIN_CONTAMINATION, MAX_CONTAMINATION)
    try:
        return domain.parse(text)
    except ValueError:
        raise CustomerError(f"{name}: expected {domain.expected}, got {text[:40]!r}") from None


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
