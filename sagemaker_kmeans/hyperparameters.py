"""The hyperparameters as Python has them: their names, how a value is read, and which are valid."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

AUTO: Final = "auto"


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter.

    Attributes
    ----------
    attribute : str
        Its name in Python; those of the SDK's class are kept.
    name : str
        As it is sent.
    convert : callable
        Reads a value; raises ValueError or TypeError for what cannot be one.
    validate : callable
        Returns whether such a value is in its range.
    expected : str
        Its range in words, those of the SDK where the SDK has it.
    """

    attribute: str
    name: str
    convert: Callable[[Any], Any]
    validate: Callable[[Any], bool]
    expected: str

    def checked(self, value: Any) -> Any:
        """Return a value as it is kept; raise ValueError with the SDK's message if it is out of range."""
        kept = self.convert(value)
        if not self.validate(kept):
            raise ValueError(f"Invalid hyperparameter value {kept} for {self.name}. Expecting: {self.expected}")
        return kept


def _integer(minimum: int, *, auto: bool = False) -> tuple[Callable[[Any], Any], Callable[[Any], bool], str]:
    above = f"greater-than {minimum - 1}" if minimum else "greater-than-or-equal-to 0"
    expected = f"An integer {above}" + (f' or "{AUTO}"' if auto else "")
    return (
        lambda value: AUTO if auto and value == AUTO else int(value),
        lambda value: value == AUTO or bool(value >= minimum),
        expected,
    )


def _words(*words: str) -> tuple[Callable[[Any], Any], Callable[[Any], bool], str]:
    return str, words.__contains__, "One of " + ", ".join(f'"{word}"' for word in words)


def _metrics(value: Any) -> list[Any]:
    """Read metrics; the text that was sent for them too, which `attach` gets back."""
    if not isinstance(value, str):
        return list(value)
    return list(json.loads(value)) if value.startswith("[") else [word.strip() for word in value.split(",")]


def _flag(value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ValueError(f"expected True or False, got {value!r}")
    return str(value).lower() == "true"


_FLAG: Final = (_flag, lambda _: True, "True or False")
_METHODS: Final = ("random", "kmeans++")

TABLE: Final = (
    Hyperparameter("k", "k", *_integer(2)),
    Hyperparameter("init_method", "init_method", *_words(*_METHODS)),
    Hyperparameter("max_iterations", "local_lloyd_max_iter", *_integer(1)),
    Hyperparameter("tol", "local_lloyd_tol", float, lambda value: 0.0 <= value <= 1.0, "An float in [0, 1]"),
    Hyperparameter("num_trials", "local_lloyd_num_trials", *_integer(1, auto=True)),
    Hyperparameter("local_init_method", "local_lloyd_init_method", *_words(*_METHODS)),
    Hyperparameter("half_life_time_size", "half_life_time_size", *_integer(0)),
    Hyperparameter("epochs", "epochs", *_integer(1)),
    Hyperparameter("center_factor", "extra_center_factor", *_integer(1, auto=True)),
    Hyperparameter(
        "eval_metrics", "eval_metrics", _metrics, lambda _: True, 'A comma separated list of "msd" or "ssd"'
    ),
    Hyperparameter("mini_batch_size", "mini_batch_size", *_integer(1)),
    Hyperparameter("feature_dim", "feature_dim", *_integer(1)),
    Hyperparameter("seed", "seed", *_integer(0)),
    Hyperparameter("refine_sample_size", "refine_sample_size", *_integer(0, auto=True)),
    Hyperparameter("distance", "distance", *_words("euclidean", "cosine")),
    Hyperparameter("standardize", "standardize", *_FLAG),
    Hyperparameter("checkpoint_interval_seconds", "checkpoint_interval_seconds", *_integer(0)),
    Hyperparameter("write_assignments", "write_assignments", *_FLAG),
    Hyperparameter("write_report", "write_report", *_FLAG),
)

# The algorithm takes dense data or sparse, whatever it says; the SDK's class sends it.
CONSTANT: Final[Mapping[str, str]] = {"force_dense": "True"}

METRIC_DEFINITIONS: Final = tuple(
    {"Name": name, "Regex": regex}
    for name, regex in {
        "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
        "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
        "train:msd": r"#quality_metric: host=\S+, train msd <loss>=(\S+)",
        "train:ssd": r"#quality_metric: host=\S+, train ssd <loss>=(\S+)",
        "test:msd": r"#quality_metric: host=\S+, test msd <loss>=(\S+)",
        "test:ssd": r"#quality_metric: host=\S+, test ssd <loss>=(\S+)",
    }.items()
)


def as_sent(value: Any) -> str:
    """Return a value as text, as the SDK does."""
    return json.dumps(value) if isinstance(value, list) else str(value)
