"""The hyperparameters as Python has them, against the table of the container."""

from typing import Any

import numpy as np
import pytest

from container.configuration import hyperparameter_table as container_table
from container.configuration.domains import Flag, Text
from container.configuration.hyperparameters import parse
from container.logs.metrics import REGEXES
from sagemaker_kmeans import hyperparameters
from sagemaker_kmeans.hyperparameters import CONSTANT, METRIC_DEFINITIONS, TABLE, Hyperparameter, as_sent
from tools import python_hyperparameters

BY_NAME = {row.name: row for row in TABLE}
REQUIRED = {"k": "2", "feature_dim": "2", **CONSTANT}


@pytest.mark.parametrize(
    "row", [row for row in container_table.TABLE if row.origin != "hidden"], ids=lambda row: str(row.name)
)
def test_every_hyperparameter_is_there_in_its_range(row: container_table.Hyperparameter) -> None:
    ours = BY_NAME[row.name]
    if row.default is not None:
        parse({**REQUIRED, row.name: as_sent(ours.checked(row.default))})
    if getattr(row.domain, "auto", False):
        assert ours.checked("auto") == "auto"
    minimum = getattr(row.domain, "minimum", None)
    if minimum is not None:
        parse({**REQUIRED, row.name: as_sent(ours.checked(minimum))})
        with pytest.raises(ValueError, match="Invalid hyperparameter value"):
            ours.checked(minimum - 1)
    if ours.expected.startswith("True or False"):
        for value in (True, False):
            parse({**REQUIRED, row.name: as_sent(ours.checked(value))})


def test_the_names_are_those_of_the_sdk() -> None:
    assert {row.attribute for row in TABLE if row.attribute != row.name} == {
        "max_iterations",
        "tol",
        "num_trials",
        "local_init_method",
        "center_factor",
    }


def made(domain: Any) -> Hyperparameter:
    """Return the row that is generated for a domain."""
    source = python_hyperparameters.table([container_table.Hyperparameter("name", domain, None, "Help.")])
    names = dict(vars(hyperparameters))
    exec(source, names)
    (row,) = names["TABLE"]
    assert isinstance(row, Hyperparameter)
    return row


def test_text_is_taken_as_it_is_and_lists_as_json() -> None:
    row = made(Text())
    assert as_sent(row.checked("a,b")) == "a,b"
    # As a DataFrame has its columns, with or without names, too.
    for names in (("a", "b"), ["a", "b"], np.array(["a", "b"]), {"a": 1, "b": 2}.keys()):
        assert as_sent(row.checked(names)) == '["a", "b"]'
    assert as_sent(row.checked(np.arange(2))) == '["0", "1"]'


@pytest.mark.parametrize("value", [2.5, np.float32(2.5), float("nan"), float("inf")])
def test_a_number_that_is_no_integer_is_not_cut(value: float) -> None:
    for row in (BY_NAME["k"], BY_NAME["extra_center_factor"], BY_NAME["seed"]):
        with pytest.raises(ValueError, match=f"Invalid hyperparameter value {value} for {row.name}. Expecting: An int"):
            row.checked(value)


@pytest.mark.parametrize("value", [3.0, np.float32(3), np.int64(3), "3"])
def test_an_integer_may_be_of_any_type(value: Any) -> None:
    assert as_sent(BY_NAME["k"].checked(value)) == "3"


def test_a_flag_may_be_left_to_the_algorithm() -> None:
    row = made(Flag(auto=True))
    assert [row.checked(value) for value in ("auto", "Auto", True, "true", False, "False")] == [
        "auto",
        "auto",
        True,
        True,
        False,
        False,
    ]
    for value in ("perhaps", 1, 0.0):
        with pytest.raises(ValueError, match='Expecting: True or False or "auto"'):
            row.checked(value)


def test_words_are_listed_in_any_way() -> None:
    row = BY_NAME["eval_metrics"]
    for value in (["msd", "ssd"], ("msd", "ssd"), '["msd", "ssd"]', "msd,ssd"):
        assert row.checked(value) == ["msd", "ssd"]
    with pytest.raises(ValueError, match='Expecting: A comma separated list of "msd" or "ssd"'):
        row.checked(["mse"])


def test_metrics_are_those_of_the_log() -> None:
    assert {each["Name"]: each["Regex"] for each in METRIC_DEFINITIONS} == REGEXES
