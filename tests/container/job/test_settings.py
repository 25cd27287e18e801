"""What `auto` stands for."""

import pytest

from container.configuration.algorithm_settings import AUTO_SAMPLE_BYTES, auto_center_factor, auto_sample_size


@pytest.mark.parametrize(("k", "factor"), [(2, 10), (10, 10), (100, 10), (101, 9), (400, 5), (2500, 2), (10**6, 2)])
def test_the_center_factor(k: int, factor: int) -> None:
    assert auto_center_factor(k) == factor


def test_the_number_of_centers_never_falls_as_k_grows_beyond_rounding() -> None:
    assert all(2 * k <= k * auto_center_factor(k) <= 10 * k for k in range(2, 5000))


@pytest.mark.parametrize("n_features", [1, 2, 100, 784, 100_000, 2**31 - 1])
def test_the_sample_is_bounded_by_memory(n_features: int) -> None:
    size = auto_sample_size(n_features)
    assert 1 <= size <= 200_000
    assert size == 1 or size * n_features * 4 <= AUTO_SAMPLE_BYTES
