"""The table of hyperparameters, from which parsing, messages and documentation derive."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from container.configuration.domains import Categorical, Continuous, Domain, Flag, Integer, Names, Subset, Text

if TYPE_CHECKING:
    from kmeans.types import InitMethod  # this imports numpy, which a launcher does not need

DistanceName = Literal["euclidean", "cosine"]

# closest_cluster is returned in float32, which represents all integers up to this one.
_MAX_K = 2**24
_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A row of the table.

    Attributes
    ----------
    name : str
        Its name. The field of `Hyperparameters` has the same name without leading underscores.
    domain : Domain
        Its values.
    default : str or None
        Its default, as it would be sent; None if a value is required.
    help : str
        Its description, in one line.
    tunable : tuple of str
        The two ends of the range that a tuning job should search, or the words; empty if it should not be tuned.
    origin : {"public", "own", "hidden"}
        Documented by the built-in, added here, or known from the logs of the built-in only.
    effective : bool
        Whether it has an effect here.
    reason : str
        Why there are no other values, where that is worth saying.
    """

    name: str
    domain: Domain
    default: str | None
    help: str
    tunable: tuple[str, ...] = ()
    origin: Literal["public", "own", "hidden"] = "public"
    effective: bool = True
    reason: str = ""

    @property
    def field(self) -> str:
        """Name of the field of `Hyperparameters` that holds the value."""
        return self.name.lstrip("_")


def _ignored(name: str, default: str) -> Hyperparameter:
    """Return a row for a name that jobs of the built-in may send and that has no effect here."""
    return Hyperparameter(name, Text(), default, "Accepted, without effect.", origin="hidden", effective=False)


_INIT_METHODS: tuple["InitMethod", ...] = ("random", "kmeans++")
_DISTANCES: tuple[DistanceName, ...] = ("euclidean", "cosine")
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

# In the order in which the built-in logs its defaults. A row that has an effect has a field in `Hyperparameters`.
TABLE: tuple[Hyperparameter, ...] = (
    Hyperparameter("feature_dim", Integer(1, _INT32_MAX), None, "Number of features of a record."),
    Hyperparameter("k", Integer(2, _MAX_K), None, "Number of clusters."),
    Hyperparameter(
        "init_method",
        Categorical(_INIT_METHODS),
        "random",
        "How the first centers are chosen.",
        tunable=_INIT_METHODS,
    ),
    Hyperparameter(
        "mini_batch_size",
        Integer(1, _INT32_MAX),
        "5000",
        "Number of records in a mini-batch.",
        tunable=("3000", "15000"),
    ),
    Hyperparameter(
        "epochs",
        Integer(0, _INT32_MAX),
        "1",
        "Number of passes over the training data; 0 keeps the model in the channel model, and scores it.",
        tunable=("1", "10"),
    ),
    Hyperparameter(
        "extra_center_factor",
        Integer(1, _INT32_MAX, auto=True),
        "auto",
        "Number of intermediate centers as a multiple of k; they are reduced to k at the end.",
        tunable=("4", "10"),
    ),
    Hyperparameter(
        "local_lloyd_max_iter",
        Integer(1, _INT32_MAX),
        "300",
        "Maximum number of iterations of Lloyd's method at the end.",
    ),
    Hyperparameter(
        "local_lloyd_tol",
        Continuous(0.0, 1.0),
        "0.0001",
        "Relative change of the loss below which Lloyd's method at the end stops.",
    ),
    Hyperparameter(
        "local_lloyd_init_method",
        Categorical(_INIT_METHODS),
        "kmeans++",
        "How Lloyd's method at the end chooses its first centers.",
    ),
    Hyperparameter(
        "local_lloyd_num_trials",
        Integer(1, _INT32_MAX, auto=True),
        "auto",
        "Number of runs of Lloyd's method at the end; the best one is kept.",
    ),
    Hyperparameter(
        "half_life_time_size",
        Integer(0, _INT64_MAX),
        "0",
        "Number of later records after which a record counts half; 0 for no decay.",
    ),
    Hyperparameter("eval_metrics", Subset(("msd", "ssd")), '["msd"]', "Metrics reported for the test channel."),
    Hyperparameter(
        "force_dense",
        Flag(),
        "true",
        "Accepted, without effect: sparse records are always made dense.",
        origin="hidden",
        effective=False,
    ),
    _ignored("_disable_wait_to_read", "false"),
    _ignored("_enable_profiler", "false"),
    _ignored("_kvstore", "auto"),
    Hyperparameter(
        "_log_level", Categorical(_LOG_LEVELS, fold_case=True), "info", "Lowest level that is logged.", origin="hidden"
    ),
    Hyperparameter(
        "_num_gpus",
        Integer(0, _INT32_MAX, auto=True),
        "auto",
        "Number of GPUs of each host; at most one is used, by the image for GPUs.",
        origin="hidden",
    ),
    _ignored("_num_kv_servers", "1"),
    _ignored("_num_slices", "1"),
    Hyperparameter(
        "_tuning_objective_metric",
        Text(),
        "",
        "Metric that a tuning job compares; set by the service.",
        origin="hidden",
    ),
    Hyperparameter(
        "seed", Integer(0, _INT64_MAX), "0", "The only source of randomness: same seed, same model.", origin="own"
    ),
    Hyperparameter(
        "refine_sample_size",
        Integer(0, _INT32_MAX, auto=True),
        "auto",
        "Number of records kept to refine the model at the end; 0 for the built-in's recipe.",
        origin="own",
    ),
    Hyperparameter(
        "early_stopping_tolerance",
        Continuous(0.0, 1.0),
        "0",
        "Training ends after an epoch that lowers the stream's loss by no more than this part; 0 takes all epochs.",
        origin="own",
    ),
    Hyperparameter(
        "distance",
        Categorical(_DISTANCES),
        "euclidean",
        "What rows are compared by; 'cosine' compares directions, whatever the lengths of rows.",
        origin="own",
        reason="k-means moves centers to means, which minimize no other distance",
    ),
    Hyperparameter(
        "feature_columns",
        Names(),
        "",
        "Names of the columns that are features, or lists of them, for Parquet and CSV with a header; empty for all.",
        origin="own",
    ),
    Hyperparameter(
        "id_column",
        Text(),
        "",
        "Name of the column of ids, which are no feature and come first in the assignments.",
        origin="own",
    ),
    Hyperparameter(
        "weight_column",
        Text(),
        "",
        "Name of the column, or of the feature of a Record, with the weight of each row: a row of weight 3 counts as "
        "three.",
        origin="own",
    ),
    Hyperparameter(
        "missing",
        Categorical(("error", "mean", "drop")),
        "error",
        "What becomes of a record with a missing number: an error, the feature's mean in its place, or no record.",
        origin="own",
    ),
    Hyperparameter(
        "feature_names",
        Names(),
        "",
        "Names of the features for kmeans.json and the report, where the data have none or others are wanted.",
        origin="own",
    ),
    Hyperparameter(
        "keep_sample",
        Flag(),
        "true",
        "Whether outputs may hold training records: a sample in output/data/state.npz, and dots in the report.",
        origin="own",
    ),
    Hyperparameter(
        "standardize",
        Flag(),
        "false",
        "Whether distances are measured in standard deviations of the features, which gives all features equal weight.",
        origin="own",
    ),
    Hyperparameter(
        "checkpoint_interval_seconds",
        Integer(0, _INT32_MAX),
        "60",
        "Minimum time between two checkpoints, in seconds.",
        origin="own",
    ),
    Hyperparameter(
        "write_assignments",
        Flag(auto=True),
        "auto",
        "Whether to write the closest cluster of every training record to output/data/assignments; 'auto' for up to "
        "1 GB.",
        origin="own",
    ),
    Hyperparameter(
        "assignment_outputs",
        Subset(("closest_cluster", "distance_to_cluster", "normalized_distance", "is_anomaly")),
        "closest_cluster,distance_to_cluster",
        "What is written of every training record, in this order.",
        origin="own",
    ),
    Hyperparameter(
        "contamination",
        Continuous(0.00001, 0.5),
        "0.01",
        "Part of the training records that is_anomaly is true of, in the assignments and by default in responses.",
        origin="own",
    ),
    Hyperparameter(
        "write_report",
        Flag(),
        "true",
        "Whether to write the report, output/data/report.html.",
        origin="own",
    ),
)


def defaults() -> dict[str, str]:
    """Return the default of every hyperparameter that has one, as sent, in the built-in's order."""
    return {row.name: row.default for row in TABLE if row.default is not None}


def markdown_table() -> str:
    """Return the table as Markdown: the built-in's documented names, then ours, then the hidden ones."""
    lines = ["| Name | Values | Default | Tuning range | Meaning |", "|---|---|---|---|---|"]
    for origin in ("public", "own", "hidden"):
        for row in TABLE:
            if row.origin == origin:
                default = "required" if row.default is None else f"`{row.default}`" if row.default else "empty"
                searched = " to ".join(row.tunable) if isinstance(row.domain, Integer) else ", ".join(row.tunable)
                lines.append(f"| `{row.name}` | {row.domain.expected} | {default} | {searched} | {row.help} |")
    return "\n".join(lines) + "\n"
