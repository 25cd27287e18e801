"""Which columns of a table with names are features, and which ones hold the ids and the weights of its rows."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from container.formats.errors import FormatError, excerpt
from container.naming import few


@dataclass(frozen=True)
class Selection:
    """The columns of a table that a user has chosen by name.

    Attributes
    ----------
    features : tuple of str
        The columns of the features, in their order; empty for all columns but labels and the id.
    ident : str
        The column of the ids of the rows; empty for none.
    weight : str
        The column of their weights, or the feature of a Record; empty for none.
    """

    features: tuple[str, ...] = ()
    ident: str = ""
    weight: str = ""

    @property
    def by_name(self) -> bool:
        """Whether there must be columns with names."""
        return bool(self.features or self.ident)


@dataclass(frozen=True)
class Chosen:
    """The columns of a table that are read.

    Attributes
    ----------
    names : tuple of str
        The names of the features.
    features : tuple of int
        Their columns in the table, from 0.
    ident : int or None
        The column of the ids.
    weight : int or None
        The column of the weights.
    left_out : str
        The columns that are not read although nobody said so, a label or an index of pandas, in words; empty if there
        are none.
    """

    names: tuple[str, ...]
    features: tuple[int, ...]
    ident: int | None
    weight: int | None
    left_out: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The columns that are read as numbers: the features, and the weight behind them."""
        return self.features if self.weight is None else (*self.features, self.weight)


def choose(
    names: Sequence[str],
    selection: Selection,
    n_features: int | None,
    labels: int | None,
    index: Collection[int] = (),
) -> Chosen:
    """Return the columns of a table that are read.

    Parameters
    ----------
    names : sequence of str
        The names of all columns.
    selection : Selection
        The columns that are chosen by name.
    n_features : int or None
        The number of features that there must be; None for any.
    labels : int or None
        The number of leading columns that are labels, if features are not chosen by name; None if there may be one or
        none, which `n_features` decides.
    index : collection of int
        The columns of an index of pandas, which are read only if they are chosen by name.

    Returns
    -------
    Chosen
        The columns.

    Raises
    ------
    FormatError
        If a name is there twice or not at all, or there is another number of features.
    """
    refuse_duplicates(names)
    places = {name: place for place, name in enumerate(names)}
    for name in (*selection.features, *filter(None, [selection.ident, selection.weight])):
        if name not in places:
            raise FormatError(f"expected a column named {excerpt(name)}, got {shown_names(names)}")
    ident = places[selection.ident] if selection.ident else None
    weight = places[selection.weight] if selection.weight else None
    others = [place for place in range(len(names)) if place not in index and place not in (ident, weight)]
    if selection.features:
        features = [places[name] for name in selection.features]
        if n_features is not None:
            check_count(len(features), n_features, selection.features)
    else:
        features = _behind_labels(others, names, n_features, labels)
    unread = [names[place] for place in sorted(index) if place not in (*features, ident, weight)]
    left_out = [index_in_words(unread)] if unread else []
    if labels is None and not selection.features and len(features) < len(others):
        left_out.append(f"{excerpt(names[others[0]])}, taken as a label: feature_columns chooses columns by name")
    return Chosen(tuple(names[place] for place in features), tuple(features), ident, weight, "; ".join(left_out))


def _behind_labels(columns: list[int], names: Sequence[str], n_features: int | None, labels: int | None) -> list[int]:
    """Return the columns without those of labels."""
    if labels is None:
        labels = 1 if n_features is not None and len(columns) == n_features + 1 else 0
    features = columns[labels:]
    if not features or (n_features is not None and len(features) != n_features):
        expected = "a column of numbers" if n_features is None else f"{n_features} columns of features"
        besides = f" in addition to {labels} of labels" if labels else ""
        got = shown_names([names[place] for place in columns])
        hint = "; feature_columns chooses some of them" if n_features is not None and len(features) > n_features else ""
        raise FormatError(f"expected {expected}{besides}, got {len(columns)} columns: {got}{hint}")
    return features


def check_count(count: int, n_features: int, columns: Collection[str]) -> None:
    """Raise a FormatError if columns hold another number of features than there must be."""
    if count != n_features:
        raise FormatError(f"expected {n_features} features, got {count} in the columns {shown_names(columns)}")


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise a FormatError if two columns have the same name."""
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise FormatError(f"expected each column's name once, got {excerpt(twice)} twice")


def refuse_moved(names: Sequence[str], expected: Sequence[str]) -> None:
    """Raise a FormatError if a feature is in another column than in a model.

    Parameters
    ----------
    names : sequence of str
        The names of the columns.
    expected : sequence of str
        The features of the model; empty if it has no names. Other names are accepted: it may have been given new ones.
    """
    places = {name: place for place, name in enumerate(expected)}
    for place, name in enumerate(names):
        if places.get(name, place) != place:
            raise FormatError(f"expected {excerpt(name)} in column {places[name]}, as in the model, not in {place}")


def shown_names(names: Collection[str]) -> str:
    """Return the first few of some names, for a message."""
    return few(names, excerpt) or "none"


def index_in_words(names: Sequence[str]) -> str:
    """Return in words that an index of pandas, with these names, is left out."""
    return f"the index of pandas, {shown_names(names)}: df.reset_index() would make features of it"
