"""Where an error lies, and how what came is shown in it."""

from itertools import repeat

import pytest

from container.formats.errors import FormatError, InfiniteValueError, excerpt, located, not_finite, shown


def test_the_record_of_an_error_is_that_of_the_loop() -> None:
    def read(number: int) -> None:
        if number == 8:
            raise FormatError("no", column=1)

    def read_all() -> None:
        with located(noun="line") as place:
            for place.record in range(5, 10):
                read(place.record)

    with pytest.raises(FormatError, match=r"^line 8, column 1: no$"):
        read_all()


def test_records_of_a_part_are_numbered_from_its_beginning() -> None:
    with (
        pytest.raises(FormatError, match=r"^a/b, record 103: no$"),
        located(file="a"),
        located(file="a/b", renumber=lambda record: 100 + record),
        located(3),
    ):
        raise FormatError("no")


def test_what_has_no_number_gets_none() -> None:
    with pytest.raises(FormatError) as caught, located(renumber=lambda record: 100 + record):
        raise FormatError("no")
    assert str(caught.value) == "no"
    assert caught.value.record is None


def test_a_column_is_named_if_columns_have_names() -> None:
    with pytest.raises(FormatError, match=r"^record 3, column 1: no \(in 'b'\)$"), located(3, columns=("a", "b")):
        raise FormatError("no", column=1)
    with pytest.raises(FormatError, match=r"^record 3: no$"), located(3, columns=("a", "b")):
        raise FormatError("no")


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match=r"^no$"), located(1):
        raise ValueError("no")


def test_a_number_that_is_not_finite() -> None:
    error = not_finite(1e39, 2, record=2, name="a\nb")
    assert type(error) is InfiniteValueError
    assert str(error) == r"record 2, column 2: expected a number in the range of float32, got 1e+39 (in 'a\nb')"


def test_text_is_quoted_and_cut() -> None:
    assert excerpt("a'\n\x1b") == r'''"a'\n\x1b"'''
    assert excerpt("a" * 41) == f"'{'a' * 40}...'"


def test_values_are_shown_as_json_and_cut() -> None:
    assert shown({"a": [True, None, "\n"]}) == r'{"a": [true, null, "\n"]}'
    assert shown("a" * 200, 10) == '"aaaaaa...'
    # Neither deep nor long values are gone through.
    deep: list[object] = []
    for _ in repeat(None, 100_000):
        deep = [deep]
    assert shown(deep) == "[" * 117 + "..."
    assert shown(list(range(10**6)), 12) == "[0, 1, 2,..."
