import os
from pathlib import Path

import pytest

from container.resources import cpu_count, memory_limit_bytes

ALLOWED = len(os.sched_getaffinity(0))
PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def v1(quota: int, period: int, controller: str = "cpu") -> dict[str, str]:
    return {f"{controller}/cpu.cfs_quota_us": f"{quota}\n", f"{controller}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ALLOWED),
        ({"cpu.max": "max 100000\n"}, ALLOWED),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "110000 100000\n"}, min(ALLOWED, 2)),
        ({"cpu.max": "100000000 100000\n"}, ALLOWED),
        ({"cpu.max": "100000 0\n"}, ALLOWED),
        ({"cpu.max": "nonsense\n"}, ALLOWED),
        ({"cpu.max": ""}, ALLOWED),
        (v1(-1, 100000), ALLOWED),
        (v1(100000, 100000), 1),
        (v1(20000, 100000, "cpu,cpuacct"), 1),
        (v1(150000, 100000), min(ALLOWED, 2)),
    ],
)
def test_cpus_are_bounded_by_the_quota_rounded_up(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert cpu_count(tree(tmp_path, files)) == expected


def test_cpus_are_bounded_by_the_affinity_of_the_process(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cpu_count(tree(tmp_path, {"cpu.max": "max 100000"})) == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, PHYSICAL),
        ({"memory.max": "max\n"}, PHYSICAL),
        ({"memory.max": "1048576\n"}, 1048576),
        ({"memory.max": f"{2**62}\n"}, PHYSICAL),
        ({"memory.max": "nonsense\n"}, PHYSICAL),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, PHYSICAL),
        ({"memory/memory.limit_in_bytes": "2097152\n"}, 2097152),
    ],
)
def test_memory_is_the_smaller_of_limit_and_machine(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert memory_limit_bytes(tree(tmp_path, files)) == expected


def test_this_machine_has_cpus_and_memory() -> None:
    assert 1 <= cpu_count() <= ALLOWED
    assert 0 < memory_limit_bytes() <= PHYSICAL
