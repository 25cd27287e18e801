"""The columns of a table that are read."""

import pytest

from container.formats.columns import Selection, choose
from container.formats.errors import FormatError

NAMES = ["i", "id", "y", "a", "b"]


@pytest.mark.parametrize(
    ("selection", "n_features", "labels", "features", "ident"),
    [
        (Selection(), 5, 0, (0, 1, 2, 3, 4), None),
        (Selection(), None, 0, (0, 1, 2, 3, 4), None),
        (Selection(), None, 3, (3, 4), None),
        (Selection(), 4, None, (1, 2, 3, 4), None),
        (Selection(ident="id"), 4, 0, (0, 2, 3, 4), 1),
        (Selection(ident="id"), 3, None, (2, 3, 4), 1),
        (Selection(("b", "y")), 2, None, (4, 2), None),
        (Selection(("b", "i"), "i"), 2, 3, (4, 0), 0),
    ],
)
def test_columns(
    selection: Selection, n_features: int | None, labels: int | None, features: tuple[int, ...], ident: int | None
) -> None:
    chosen = choose(NAMES, selection, n_features, labels)
    assert (chosen.features, chosen.ident) == (features, ident)
    label = "'i', taken as a label: feature_columns chooses columns by name"
    assert chosen.left_out == ("" if labels is not None or selection.features else label)
    assert chosen.names == tuple(NAMES[column] for column in features)


def test_an_index_is_read_only_by_name() -> None:
    chosen = choose(NAMES, Selection(), 4, 0, index=[0])
    assert chosen.features == (1, 2, 3, 4)
    assert chosen.left_out == "the index of pandas, 'i': df.reset_index() would make features of it"
    for selection in (Selection(("i", "a")), Selection(("y", "a"), "i")):
        assert choose(NAMES, selection, 2, 0, index=[0]).left_out == ""


@pytest.mark.parametrize(
    ("names", "selection", "n_features", "labels", "message"),
    [
        (["a", "b", "a"], Selection(), 3, 0, "expected each column's name once, got 'a' twice"),
        (NAMES, Selection(("a", "x")), 2, 0, "expected a column named 'x', got 'i', 'id', 'y', 'a', 'b'"),
        (NAMES, Selection(ident="x"), 5, 0, "expected a column named 'x', got 'i', 'id', 'y', 'a', 'b'"),
        (
            NAMES,
            Selection(),
            3,
            None,
            "expected 3 columns of features, got 5 columns: 'i', 'id', 'y', 'a', 'b'; feature_columns chooses",
        ),
        (NAMES, Selection(), 5, 2, "expected 5 columns of features in addition to 2 of labels, got 5 columns"),
        (NAMES, Selection(), None, 5, "expected a column of numbers in addition to 5 of labels, got 5 columns"),
        (["a"], Selection(ident="a"), 1, 0, "expected 1 columns of features, got 0 columns: none"),
        (list("abcdefg"), Selection(), 1, 0, "got 7 columns: 'a', 'b', 'c', 'd', 'e' and 2 more"),
    ],
)
def test_what_is_wrong_with_columns(
    names: list[str], selection: Selection, n_features: int | None, labels: int | None, message: str
) -> None:
    with pytest.raises(FormatError) as caught:
        choose(names, selection, n_features, labels)
    assert message in str(caught.value)
