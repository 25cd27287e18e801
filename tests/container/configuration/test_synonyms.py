import pytest

from container.configuration.hyperparameter_table import TABLE
from container.configuration.hyperparameters import parse
from container.configuration.synonyms import _MEANT, _SYNONYMS
from container.errors import CustomerError


def message(name: str) -> str:
    with pytest.raises(CustomerError) as caught:
        parse({"k": "3", "feature_dim": "2", name: "1"})
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        # The arguments of the SDK's class.
        ("center_factor", "extra_center_factor"),
        ("max_iterations", "local_lloyd_max_iter"),
        ("tol", "local_lloyd_tol"),
        ("num_trials", "local_lloyd_num_trials"),
        ("local_init_method", "local_lloyd_init_method"),
        # scikit-learn's.
        ("n_clusters", "k"),
        ("init", "init_method"),
        ("n_init", "local_lloyd_num_trials"),
        ("max_iter", "local_lloyd_max_iter"),
        ("batch_size", "mini_batch_size"),
        ("random_state", "seed"),
        ("n_features", "feature_dim"),
        # Others, in other spellings.
        ("num_clusters", "k"),
        ("K", "k"),
        ("maxIter", "local_lloyd_max_iter"),
        ("initMode", "init_method"),
        ("half-life", "half_life_time_size"),
        ("epoch", "epochs"),
        ("EvalMetrics", "eval_metrics"),
        ("localLloydTol", "local_lloyd_tol"),
        ("log_level", "_log_level"),
        ("extra_centre_factor", "extra_center_factor"),
    ],
)
def test_for_a_name_of_another_library_ours_is_stated(name: str, meant: str) -> None:
    found = message(name)
    assert found == f"Customer Error: Extraneous hyperparameter found: {name!r}, did you mean {meant}?"


def test_a_name_of_another_library_without_a_counterpart_has_no_synonym() -> None:
    found = message("reassignment_ratio")
    assert found == "Customer Error: Extraneous hyperparameter found: 'reassignment_ratio'"


def test_what_is_meant_by_synonyms_is_in_the_table_and_they_are_not() -> None:
    names = {row.name for row in TABLE}
    assert _SYNONYMS.keys() <= names
    assert {synonym for synonyms in _SYNONYMS.values() for synonym in synonyms} & names == set()
    assert sum(map(len, _SYNONYMS.values())) == len(_MEANT)
