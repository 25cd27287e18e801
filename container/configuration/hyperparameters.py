"""The hyperparameters of a job: their values, and how they are parsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from container.configuration.domains import unquoted
from container.configuration.hyperparameter_table import TABLE, DistanceName, Hyperparameter
from container.configuration.synonyms import meant
from container.errors import CustomerError
from container.formats.columns import Selection

if TYPE_CHECKING:
    from kmeans.types import InitMethod  # this imports numpy, which a launcher does not need

# The limits of the service.
MAX_HYPERPARAMETERS = 100
MAX_NAME_LENGTH = 256
MAX_VALUE_LENGTH = 2500

_NAMES = frozenset(row.name for row in TABLE)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The values of a job; None stands for ``auto``. See `TABLE` for their meaning.

    `without_effect` has the names of those that differ from their defaults but have no effect here.
    """

    feature_dim: int
    k: int
    init_method: "InitMethod"
    mini_batch_size: int
    epochs: int
    extra_center_factor: int | None
    local_lloyd_max_iter: int
    local_lloyd_tol: float
    local_lloyd_init_method: "InitMethod"
    local_lloyd_num_trials: int | None
    half_life_time_size: int
    eval_metrics: tuple[str, ...]
    force_dense: bool
    log_level: str
    num_gpus: int | None
    tuning_objective_metric: str
    seed: int
    refine_sample_size: int | None
    early_stopping_tolerance: float
    distance: DistanceName
    feature_columns: tuple[str, ...]
    id_column: str
    weight_column: str
    missing: Literal["error", "mean", "drop"]
    feature_names: tuple[str, ...]
    keep_sample: bool
    standardize: bool
    checkpoint_interval_seconds: int
    write_assignments: bool | None
    assignment_outputs: tuple[str, ...]
    contamination: float
    write_report: bool
    without_effect: tuple[str, ...] = ()

    @property
    def of_rows(self) -> dict[str, object]:
        """What decides which numbers rows have, where it is not the default.

        So jobs with defaults resume from checkpoints of releases that did not know these names.
        """
        values = {
            "standardize": self.standardize,
            "feature_columns": self.feature_columns,
            "id_column": self.id_column,
            "weight_column": self.weight_column,
            "missing": "" if self.missing == "error" else self.missing,
        }
        return {name: value for name, value in values.items() if value}

    @property
    def selection(self) -> Selection:
        """The columns that are chosen by name."""
        return Selection(self.feature_columns, self.id_column, self.weight_column)

    @property
    def shows_rows(self) -> bool:
        """Whether outputs other than the model may hold rows of the training data."""
        return self.keep_sample and self.refine_sample_size != 0


def parse(raw: Mapping[str, str]) -> Hyperparameters:
    """Validate and convert the hyperparameters of a job.

    Parameters
    ----------
    raw : Mapping of str to str
        The values as sent. Spaces and JSON quotes around a value are stripped; names that begin with ``sagemaker_``
        belong to the SDK and are skipped.

    Returns
    -------
    Hyperparameters
        With defaults for missing values. The metric of a tuning job is among `eval_metrics`.

    Raises
    ------
    CustomerError
        If a value is missing or invalid, or a name is unknown; one error names all of them.
    """
    if len(raw) > MAX_HYPERPARAMETERS:
        raise CustomerError(f"Expected at most {MAX_HYPERPARAMETERS} hyperparameters, got {len(raw)}")
    given = {name: value for name, value in raw.items() if not name.startswith("sagemaker_")}
    faults = _missing(given)
    values: dict[str, Any] = {}
    for row in TABLE:
        text = given.get(row.name, row.default)
        if text is None:
            continue
        try:
            values[row.name] = _value(row, text)
        except ValueError as fault:
            faults.append(f"Hyperparameter {row.name}: {fault}")
    faults += [_unknown(name) for name in given if name not in _NAMES]
    if values.get("distance") == "cosine" and values.get("standardize"):
        faults.append(
            "Hyperparameter standardize: expected 'false' with distance=cosine, which compares rows by their angle at "
            "zero, got 'true', which moves the mean of the rows to zero"
        )
    faults += _wrong_counts(values) + _shared_weight(values)
    if faults:
        raise CustomerError("; ".join(faults))

    without_effect = tuple(
        row.name for row in TABLE if not row.effective and values[row.name] != row.domain.parse(row.default or "")
    )
    fields = {row.field: values[row.name] for row in TABLE if row.field in Hyperparameters.__dataclass_fields__}
    scope, _, metric = fields["tuning_objective_metric"].partition(":")
    if scope == "test" and metric in ("msd", "ssd") and metric not in fields["eval_metrics"]:
        fields["eval_metrics"] = (*fields["eval_metrics"], metric)
    return Hyperparameters(**fields, without_effect=without_effect)


def _missing(given: Mapping[str, str]) -> list[str]:
    """Return the built-in's sentence on missing required hyperparameters, if there are any."""
    names = ", ".join(f"'{row.name}'" for row in TABLE if row.default is None and row.name not in given)
    return [f"No value(s) were specified for {names} which are required hyperparameter(s)"] if names else []


def _wrong_counts(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the number of names, compared with that of features."""
    columns, names = (len(values.get(name, ())) for name in ("feature_columns", "feature_names"))
    n_features = values.get("feature_dim")
    expected = f"as many names as feature_dim says, {n_features}"
    faults = []
    # A column of lists has several features.
    if n_features and columns > n_features:
        faults.append(f"Hyperparameter feature_columns: expected at most {expected}, got {columns}")
    if n_features and names not in (0, n_features):
        faults.append(f"Hyperparameter feature_names: expected {expected}, got {names}")
    return faults


def _shared_weight(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the column of weights, if it is one of features or ids too."""
    weight, others = values.get("weight_column"), (*values.get("feature_columns", ()), values.get("id_column"))
    if not weight or weight not in others:
        return []
    return [
        "Hyperparameter weight_column: expected another column than feature_columns and id_column name, "
        f"got {_shown(weight)}"
    ]


def _unknown(name: str) -> str:
    shown = _shown(name)
    if len(name) > MAX_NAME_LENGTH:
        return f"Hyperparameter {shown}: expected a name of at most {MAX_NAME_LENGTH} characters, got {len(name)}"
    closest = meant(name, [row.name for row in TABLE if row.origin != "hidden"])
    hint = f", did you mean {closest}?" if closest else ""
    return f"Extraneous hyperparameter found: {shown}{hint}"


def _value(row: Hyperparameter, text: str) -> object:
    """Parse a value; a ValueError says what was expected and what was found."""
    if len(text) > MAX_VALUE_LENGTH:
        raise ValueError(f"expected at most {MAX_VALUE_LENGTH} characters, got {len(text)}")
    try:
        return row.domain.parse(unquoted(text.strip()).strip())
    except ValueError:
        reason = f": {row.reason}" if row.reason else ""
        raise ValueError(f"expected {row.domain.expected}, got {_shown(text)}{reason}") from None


def _shown(text: str) -> str:
    """Quote text on one line, at most 60 characters of it."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
