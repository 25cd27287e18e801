import dataclasses
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.configuration.domains import Categorical, Continuous, Domain, Flag, Integer, Names, Subset
from container.configuration.hyperparameter_table import TABLE, Hyperparameter, defaults
from container.configuration.hyperparameters import Hyperparameters, parse
from container.errors import CustomerError
from container.formats.columns import Selection

REQUIRED = {"k": "3", "feature_dim": "2"}
LONG = "x" * 2501


def message(raw: dict[str, str]) -> str:
    with pytest.raises(CustomerError) as caught:
        parse(raw)
    return str(caught.value)


def rows(*kinds: type) -> list[Hyperparameter]:
    return [row for row in TABLE if isinstance(row.domain, kinds)]


def named(row: Hyperparameter) -> str:
    return row.name


def test_required_values_alone_give_the_defaults() -> None:
    assert parse(REQUIRED) == Hyperparameters(
        feature_dim=2,
        k=3,
        init_method="random",
        mini_batch_size=5000,
        epochs=1,
        extra_center_factor=None,
        local_lloyd_max_iter=300,
        local_lloyd_tol=0.0001,
        local_lloyd_init_method="kmeans++",
        local_lloyd_num_trials=None,
        half_life_time_size=0,
        eval_metrics=("msd",),
        force_dense=True,
        log_level="info",
        num_gpus=None,
        tuning_objective_metric="",
        seed=0,
        refine_sample_size=None,
        early_stopping_tolerance=0.0,
        distance="euclidean",
        feature_columns=(),
        id_column="",
        weight_column="",
        missing="error",
        feature_names=(),
        keep_sample=True,
        standardize=False,
        checkpoint_interval_seconds=60,
        write_assignments=None,
        assignment_outputs=("closest_cluster", "distance_to_cluster"),
        contamination=0.01,
        write_report=True,
        without_effect=(),
    )


def test_each_effective_row_has_a_field_and_each_field_a_row() -> None:
    fields = {field.name for field in dataclasses.fields(Hyperparameters)} - {"without_effect"}
    assert {row.field for row in TABLE if row.effective} | {"force_dense"} == fields


def test_sending_the_defaults_changes_nothing() -> None:
    assert parse(defaults() | REQUIRED) == parse(REQUIRED)


@pytest.mark.parametrize("row", rows(Integer), ids=named)
def test_integers_reach_to_both_ends_of_their_range_and_no_further(row: Hyperparameter) -> None:
    domain = row.domain
    assert isinstance(domain, Integer)
    for value in (domain.minimum, domain.maximum):
        assert getattr(parse(REQUIRED | {row.name: str(value)}), row.field) == value
    for value in (domain.minimum - 1, domain.maximum + 1):
        words = f"expected an integer from {domain.minimum} to {domain.maximum}"
        words += " or 'auto'" if domain.auto else ""
        assert message(REQUIRED | {row.name: str(value)}) == (
            f"Customer Error: Hyperparameter {row.name}: {words}, got '{value}'"
        )


@pytest.mark.parametrize("row", rows(Integer), ids=named)
@pytest.mark.parametrize(
    "text", ["", "8.5", "8e0", "1_0", "0x8", "eight", "nan", "inf", "-inf", "8 8", "٨", "true", "[8]", "None", "AUTO"]
)
def test_what_is_no_integer_is_refused(row: Hyperparameter, text: str) -> None:
    found = message(REQUIRED | {row.name: text})
    assert found == f"Customer Error: Hyperparameter {row.name}: expected {row.domain.expected}, got '{text}'"


@pytest.mark.parametrize("row", rows(Integer), ids=named)
@pytest.mark.parametrize("text", ["8", "8.0", "8.", "+8", " 8\n", "008", '"8"', "'8'", '" 8 "'])
def test_integers_are_read_in_the_forms_that_clients_send(row: Hyperparameter, text: str) -> None:
    assert getattr(parse(REQUIRED | {row.name: text}), row.field) == 8


@pytest.mark.parametrize("row", rows(Integer), ids=named)
def test_auto_is_taken_only_where_there_is_a_rule_for_it(row: Hyperparameter) -> None:
    assert isinstance(row.domain, Integer)
    raw = REQUIRED | {row.name: "auto"}
    if row.domain.auto:
        assert getattr(parse(raw), row.field) is None
    else:
        assert message(raw).endswith("got 'auto'")


@pytest.mark.parametrize("row", rows(Continuous), ids=named)
@pytest.mark.parametrize(
    "text", ["nan", "NaN", "-nan", "inf", "-inf", "1e999", "-1e-9", "1.0000001", "", ".", "0,5", "1_0e-1", "0x0p0"]
)
def test_no_number_outside_the_range_and_no_nan_passes(row: Hyperparameter, text: str) -> None:
    found = message(REQUIRED | {row.name: text})
    assert found == f"Customer Error: Hyperparameter {row.name}: expected {row.domain.expected}, got '{text}'"
    assert row.domain.expected in ("a number from 0 to 1", "a number from 1e-05 to 0.5")


@pytest.mark.parametrize("row", rows(Continuous), ids=named)
@pytest.mark.parametrize(("text", "value"), [("0.5", 0.5), ("1e-3", 0.001), (".5", 0.5), ("5.e-1", 0.5)])
def test_numbers_are_read(row: Hyperparameter, text: str, value: float) -> None:
    assert getattr(parse(REQUIRED | {row.name: text}), row.field) == value


@pytest.mark.parametrize("row", rows(Categorical), ids=named)
def test_words_are_those_of_the_table(row: Hyperparameter) -> None:
    assert isinstance(row.domain, Categorical)
    for word in row.domain.values:
        assert getattr(parse(REQUIRED | {row.name: json.dumps(word)}), row.field) == word
    assert message(REQUIRED | {row.name: "k-means++"}) == (
        f"Customer Error: Hyperparameter {row.name}: expected {row.domain.expected}, got 'k-means++'"
        + (f": {row.reason}" if row.reason else "")
    )


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ('["msd", "ssd"]', ("msd", "ssd")),
        ('["ssd","msd"]', ("ssd", "msd")),
        ("[msd,ssd]", ("msd", "ssd")),
        ("['msd', 'ssd']", ("msd", "ssd")),
        ("msd,ssd", ("msd", "ssd")),
        (" ssd ", ("ssd",)),
        ('"ssd"', ("ssd",)),
        (r'"[\"msd\", \"ssd\"]"', ("msd", "ssd")),
        (r'"[\"ssd\"]" ', ("ssd",)),
        ("\"['msd', 'ssd']\"", ("msd", "ssd")),
        ('"[msd,ssd]"', ("msd", "ssd")),
        ('"msd,ssd"', ("msd", "ssd")),
        ("[msd, msd]", ("msd",)),
    ],
)
def test_metrics_come_in_several_forms(text: str, metrics: tuple[str, ...]) -> None:
    assert parse(REQUIRED | {"eval_metrics": text}).eval_metrics == metrics


@pytest.mark.parametrize("text", ["", "[]", "rmse", '["msd"', "msd;ssd", "[msd,]", '{"msd": 1}', '[["msd"]]'])
def test_other_metrics_are_refused(text: str) -> None:
    assert message(REQUIRED | {"eval_metrics": text}) == (
        "Customer Error: Hyperparameter eval_metrics: expected a list of 'msd' or 'ssd', such as [\"msd\"], "
        f"got {text!r}"
    )


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False), ("FALSE", False)])
def test_flags_are_read_in_any_case(text: str, value: bool) -> None:
    assert parse(REQUIRED | {"force_dense": text}).force_dense is value


def test_a_flag_is_true_or_false() -> None:
    assert message(REQUIRED | {"force_dense": "1"}) == (
        "Customer Error: Hyperparameter force_dense: expected 'true' or 'false', got '1'"
    )


def test_the_log_level_may_be_in_capitals() -> None:
    assert parse(REQUIRED | {"_log_level": "DEBUG"}).log_level == "debug"


def test_hidden_names_that_mean_nothing_here_are_recorded_when_they_ask_for_something() -> None:
    raw = REQUIRED | {"_kvstore": "dist_sync", "_num_slices": "2", "_num_gpus": "2", "force_dense": "False"}
    assert parse(raw).without_effect == ("force_dense", "_kvstore", "_num_slices")
    assert parse(REQUIRED | {"force_dense": "True", "_num_gpus": " auto "}).without_effect == ()


@pytest.mark.parametrize(
    ("objective", "metrics"),
    [("test:ssd", ("msd", "ssd")), ("test:msd", ("msd",)), ("train:ssd", ("msd",)), ("test:other", ("msd",))],
)
def test_a_metric_that_is_tuned_for_is_reported(objective: str, metrics: tuple[str, ...]) -> None:
    found = parse(REQUIRED | {"_tuning_objective_metric": objective})
    assert found.tuning_objective_metric == objective
    assert found.eval_metrics == metrics


def test_names_of_the_sdk_are_skipped() -> None:
    assert parse(REQUIRED | {"sagemaker_estimator_module": '"sagemaker.amazon.kmeans"'}) == parse(REQUIRED)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, "No value(s) were specified for 'feature_dim', 'k' which are required hyperparameter(s)"),
        ({"feature_dim": "2"}, "No value(s) were specified for 'k' which are required hyperparameter(s)"),
        (REQUIRED | {"epoch": "1"}, "Extraneous hyperparameter found: 'epoch', did you mean epochs?"),
        (
            REQUIRED | {"minibatch_size": "1"},
            "Extraneous hyperparameter found: 'minibatch_size', did you mean mini_batch_size?",
        ),
        (REQUIRED | {"SEED": "1"}, "Extraneous hyperparameter found: 'SEED', did you mean seed?"),
        (REQUIRED | {"zzz": "1"}, "Extraneous hyperparameter found: 'zzz'"),
        (REQUIRED | {"a\nb": "1"}, "Extraneous hyperparameter found: 'a\\nb'"),
        (
            REQUIRED | {"y" * 257: "1"},
            f"Hyperparameter '{'y' * 57}...': expected a name of at most 256 characters, got 257",
        ),
        (REQUIRED | {"_kvstore": LONG}, "Hyperparameter _kvstore: expected at most 2500 characters, got 2501"),
        (REQUIRED | {"epochs": LONG}, "Hyperparameter epochs: expected at most 2500 characters, got 2501"),
        (
            REQUIRED | {"epochs": "9" * 2500},
            f"Hyperparameter epochs: expected an integer from 0 to 2147483647, got '{'9' * 57}...'",
        ),
        (
            REQUIRED | {f"name_{index}": "1" for index in range(99)},
            "Expected at most 100 hyperparameters, got 101",
        ),
        (
            {"k": "1", "epoch": "1", "init_method": "k-means++", "local_lloyd_tol": "nan"},
            "No value(s) were specified for 'feature_dim' which are required hyperparameter(s); "
            "Hyperparameter k: expected an integer from 2 to 16777216, got '1'; "
            "Hyperparameter init_method: expected 'random' or 'kmeans++', got 'k-means++'; "
            "Hyperparameter local_lloyd_tol: expected a number from 0 to 1, got 'nan'; "
            "Extraneous hyperparameter found: 'epoch', did you mean epochs?",
        ),
    ],
)
def test_all_faults_are_reported_at_once(raw: dict[str, str], expected: str) -> None:
    assert message(raw) == f"Customer Error: {expected}"


@pytest.mark.parametrize("row", TABLE, ids=named)
def test_every_value_may_come_as_a_json_string(row: Hyperparameter) -> None:
    others = {
        "missing": "drop",
        "force_dense": "false",
        "write_report": "false",
        "local_lloyd_tol": "0.5",
        "_log_level": "debug",
    }
    text = others.get(row.name, row.default) or ("7, 8" if isinstance(row.domain, Names) else "7")
    assert parse(REQUIRED | {row.name: json.dumps(text)}) == parse(REQUIRED | {row.name: text})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("[]", ()),
        ("a, b c", ("a", "b c")),
        ('["a", "b, c"]', ("a", "b, c")),
        ('"[\\"a\\", \\"b\\"]"', ("a", "b")),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    parsed = parse(REQUIRED | {"feature_columns": text, "id_column": "i", "feature_names": text})
    assert (parsed.feature_columns, parsed.feature_names) == (names, names)
    assert parsed.selection == Selection(names, "i")


@pytest.mark.parametrize("text", ["a,,b", "a,a", '["a", 1]', '["a", ""]', '["a"', "[" * 2000, "[[]]"])
def test_other_names_are_refused(text: str) -> None:
    said = message(REQUIRED | {"feature_columns": text})
    assert said.startswith(
        "Customer Error: Hyperparameter feature_columns: expected different names, as a JSON list or"
    )


def test_there_is_a_name_for_each_feature() -> None:
    said = message(REQUIRED | {"feature_columns": "a,b,c", "feature_names": "a"})
    assert said == (
        "Customer Error: Hyperparameter feature_columns: expected at most as many names as feature_dim says, 2, got"
        " 3;"
        " Hyperparameter feature_names: expected as many names as feature_dim says, 2, got 1"
    )


@pytest.mark.parametrize("text", [r'"[\"msd\""', '"[["msd"]]"', '"', '"\\"', r'"\x"', '"[]"'])
def test_other_strings_are_refused_as_they_came(text: str) -> None:
    assert message(REQUIRED | {"eval_metrics": text}).endswith(f", got {text!r}")


def test_the_error_is_one_sentence_without_a_cause() -> None:
    with pytest.raises(CustomerError) as caught:
        parse(REQUIRED | {"k": "x"})
    assert caught.value.__cause__ is None
    assert caught.value.exit_code == 2


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([row.name for row in TABLE]), st.text(max_size=12)))
def test_any_text_gives_values_or_the_error(raw: dict[str, str]) -> None:
    with suppress(CustomerError):
        assert parse(REQUIRED | raw).k >= 2


@pytest.mark.parametrize("domain", [Flag(), Subset(("msd",)), Categorical(("one",)), Integer(0, 1), Continuous(0, 1)])
def test_a_domain_says_what_it_expects(domain: Domain) -> None:
    assert domain.expected
    with pytest.raises(ValueError, match=r"^none of these$"):
        domain.parse("none of these")
