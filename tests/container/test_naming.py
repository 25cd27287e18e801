import pytest

from container.naming import feature_label, feature_name, feature_names, few


@pytest.mark.parametrize(
    ("count", "expected"), [(0, ""), (1, "0"), (5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4 and 1 more")]
)
def test_a_few_are_named(count: int, expected: str) -> None:
    assert few(range(count), str) == expected


def test_features_have_a_name_or_a_number() -> None:
    assert feature_name(1) == "feature 1"
    assert feature_names([1, 0], ("age", "it's")) == """feature "it's", feature 'age'"""


def test_long_names_are_cut_in_the_report() -> None:
    names = ("age", "x" * 33)
    assert [feature_label(feature, names) for feature in (0, 1)] == ["age", f"{'x' * 24}... (1)"]
    assert feature_label(3, (), "Feature ") == "Feature 3"
