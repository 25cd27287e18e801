"""What hosts must have in common, and what they settle among themselves."""

import pytest

from container.hosts.agreement import common_level, disagreement
from container.hosts.mpiexec import proxy_environment


def facts_of_levels(*levels: str) -> dict[str, dict[str, str]]:
    return {f"algo-{i + 1}": {"version of the CPU": level, "hosts": "1"} for i, level in enumerate(levels)}


@pytest.mark.parametrize(
    ("levels", "common"),
    [
        (("x86-64-v4", "x86-64-v4"), "x86-64-v4"),
        (("x86-64-v4", "x86-64-v2", "x86-64-v3"), "x86-64-v2"),
        (("neoverse-n1", "neoverse-n1"), "neoverse-n1"),
    ],
)
def test_hosts_compute_at_the_lowest_level_of_their_cpus(levels: tuple[str, ...], common: str) -> None:
    facts = facts_of_levels(*levels)
    assert common_level(facts) == common
    assert disagreement(facts) is None
    assert proxy_environment(None, common)["NUMBA_CPU_NAME"] == common


def test_levels_without_an_order_are_named() -> None:
    error = disagreement(facts_of_levels("x86-64-v4", "neoverse-n1"))
    assert str(error) == (
        "Platform Error: The hosts disagree on version of the CPU: algo-1 has x86-64-v4, algo-2 has neoverse-n1"
    )
