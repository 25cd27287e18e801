"""The resources that this container may use: the limits of its control group, not the size of the machine."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cpu_count(cgroup: Path = _CGROUP) -> int:
    """Return the number of CPUs that this process can keep busy.

    Parameters
    ----------
    cgroup : Path
        Root of the mounted control groups, version 1 or 2.

    Returns
    -------
    int
        The smaller of the CPUs in the affinity mask and the CPU quota rounded up, at least 1.
    """
    allowed = len(os.sched_getaffinity(0))
    quota = _cpu_quota(cgroup)
    return allowed if quota is None else min(allowed, math.ceil(quota))


def memory_limit_bytes(cgroup: Path = _CGROUP) -> int:
    """Return the memory that this process may use.

    Parameters
    ----------
    cgroup : Path
        Root of the mounted control groups, version 1 or 2.

    Returns
    -------
    int
        The smaller of the control group's limit and the machine's memory, in bytes. In version 1 "no limit" is a
        number near 2**63.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_words(cgroup / name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    return min([physical, *(int(words[0]) for words in limits if len(words) == 1 and words[0].isdigit())])


def oom_kills(cgroup: Path = _CGROUP) -> int:
    """Return the number of processes of this container that the kernel has killed because memory ran out.

    Parameters
    ----------
    cgroup : Path
        Root of the mounted control groups, version 1 or 2.

    Returns
    -------
    int
        The number of processes; 0 if it is not known.
    """
    words = _words(cgroup / "memory.events") or _words(cgroup / "memory/memory.oom_control")
    counts = dict(zip(words[::2], words[1::2], strict=False))
    count = counts.get("oom_kill", "0")
    return int(count) if count.isdigit() else 0


def _cpu_quota(cgroup: Path) -> float | None:
    """Return the CPU time allowed per unit of time, or None if it is not limited."""
    words = _words(cgroup / "cpu.max")
    if not words:
        for controller in ("cpu", "cpu,cpuacct"):
            words = _words(cgroup / controller / "cpu.cfs_quota_us") + _words(cgroup / controller / "cpu.cfs_period_us")
            if words:
                break
    # "No limit" is a word that is not a positive number: "max" in version 2, "-1" in version 1.
    if len(words) != 2 or not all(word.isdigit() and int(word) > 0 for word in words):
        return None
    return int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    """Return the words of a control file; none if the file is missing or not readable."""
    try:
        return path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []
