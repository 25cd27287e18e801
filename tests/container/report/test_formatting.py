"""Numbers as people write them."""

import pytest

from container.report.formatting import duration, moment, number, percent, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1797, "1,797"),
        (12345678.0, "12,345,678"),
        (-3.0, "−3"),  # noqa: RUF001
        (648.4321, "648.4"),
        (0.99996, "1.000"),
        (0.00012367, "0.0001237"),
        (1234567.8, "1,234,568"),
        (6.4123e12, "6.412×10¹²"),  # noqa: RUF001
        (-1.5e-9, "−1.500×10⁻⁹"),  # noqa: RUF001
        (1e300, "1.000×10³⁰⁰"),  # noqa: RUF001
    ],
)
def test_a_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.00 %"), (0.00001, "< 0.01 %"), (0.0042, "0.42 %"), (0.1234, "12.3 %"), (1.0, "100.0 %")],
)
def test_a_share(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("value", "text"), [(1.25, "+1.2"), (-0.04, "+0.0"), (-3.0, "−3.0")])  # noqa: RUF001
def test_a_difference(value: float, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (3599.6, "1 h 0 min"), (1e5, "27 h 46 min")],
)
def test_a_time_span(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_moment() -> None:
    assert moment(0.0) == "1 January 1970, 00:00 UTC"
