"""Oddities of the three files of a job's configuration, and of folders that a job writes to."""

import os
from random import Random

from container.configuration.hyperparameter_table import TABLE
from tests.container.fuzz import values
from tests.container.fuzz.kinds import put_odd_kind
from tests.container.fuzz.trees import CONFIGURATION, Oddity, Tree

# Both ends of ranges, and some in between.
NUMBERS = ("0", "1", "2", "3", "7", "60", "61", "1000", "100000", "16777216", "2147483647", "9223372036854775807")


def settings(tree: Tree, rng: Random) -> None:
    """Set hyperparameters to values within their ranges, both ends among them."""
    for row in rng.sample(TABLE, rng.randrange(1, 4)):
        words = getattr(row.domain, "values", ())
        choices = [*words, *NUMBERS] if "integer" in row.domain.expected else [*words, "true", "false", "0.5", "1e-300"]
        value = tree.hyperparameters[row.name] = rng.choice(choices)
        tree.oddities.append(f"{row.name}={value}")
    # Such may be a lot of work, or leave the rows out.
    if "feature_dim" in tree.hyperparameters and tree.hyperparameters["feature_dim"] != "2":
        tree.rows = None


def one_setting(tree: Tree, rng: Random) -> None:
    """Set one hyperparameter to any odd value."""
    tree.hyperparameters[rng.choice(TABLE).name] = rng.choice(values.ODD_VALUES)


def mutated_hyperparameters(tree: Tree, rng: Random) -> None:
    """Change the file of the hyperparameters as JSON or as bytes."""
    _mutate(tree, rng, "hyperparameters")


def mutated_channels(tree: Tree, rng: Random) -> None:
    """Change the file of the channels as JSON or as bytes."""
    _mutate(tree, rng, "inputdataconfig")
    tree.rows = None
    # Rows may be expected through a FIFO.
    tree.stop_after = min(tree.stop_after, 3.0)


def mutated_resources(tree: Tree, rng: Random) -> None:
    """Change the file of the hosts as JSON or as bytes."""
    _mutate(tree, rng, "resourceconfig")
    # There may be several hosts now, of which the others never come.
    tree.stop_after = min(tree.stop_after, 2.0)


def _mutate(tree: Tree, rng: Random, name: str) -> None:
    value = tree.configuration[name]
    if isinstance(value, dict):
        for _ in range(rng.choice((1, 1, 2, 3))):
            value = values.mutated(rng, value)
        tree.configuration[name] = values.encoded(rng, value)


def content_type(tree: Tree, rng: Random) -> None:
    """Return an unusual description of what the channel holds."""
    name = rng.choice(
        ("text/csv", "TEXT/CSV", "application/x-recordio-protobuf", "application/x-parquet", "application/x-npy", "")
    )
    parts = ("label_size=0", "label_size=1", "label_size=2", "label_size=-1", "label_size=9999999999", "charset=utf-8",
             "charset=utf-16", "encoding=utf-8", 'charset="utf8"', "version=1.0", "", "=", "\ud800",
             "label_size", "LABEL_SIZE=1")  # fmt: skip
    tree.setting("train", "ContentType", ";".join([name, *rng.sample(parts, rng.randrange(3))]))
    tree.rows = None


def odd_configuration_files(tree: Tree, rng: Random) -> None:
    """Put something else where a file of the configuration is expected, or nothing."""
    name = rng.choice(CONFIGURATION)
    if rng.random() < 0.3:
        tree.configuration[name] = None
        return
    folder = tree.base / "input/config"
    folder.mkdir(parents=True, exist_ok=True)
    tree.oddities.append(put_odd_kind(rng, folder / f"{name}.json"))
    tree.rows = None
    tree.stop_after = min(tree.stop_after, 2.0)


def odd_places(tree: Tree, rng: Random) -> None:
    """Put something odd where the job writes."""
    place = rng.choice(
        ("model", "model/model_algo-1", "model/kmeans.json", "model/state.npz", "output", "output/data", "checkpoints",
         "output/model.tar.gz", "output/data/msd_by_k.json", "output/data/assignments", "output/data/report.html",
         "output/data/assignments/algo-1/part-0.pbr.csv", "output/failure", "model/.model_algo-1.partial")
    )  # fmt: skip
    path = tree.base / place
    if path.parent.is_dir() or not os.path.lexists(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        tree.oddities.append(put_odd_kind(rng, path))
    if rng.random() < 0.3:
        tree.hyperparameters["write_report"] = "true"


def left_over(tree: Tree, rng: Random) -> None:
    """Let an earlier run have left something."""
    output = tree.base / "output"
    if not os.path.lexists(output):
        output.mkdir()
        (output / "failure").write_text("Customer Error: an earlier one")


ODDITIES: tuple[Oddity, ...] = (
    settings,
    settings,
    one_setting,
    mutated_hyperparameters,
    mutated_channels,
    mutated_resources,
    content_type,
    odd_configuration_files,
    odd_places,
    left_over,
)
