"""The hosts of a job as processes of MPI: what they add up."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from container.hosts import mpiexec
from tests.container.job.job import TOP

PROGRAM = """
import sys
import numpy as np
from container.hosts.mpi import MPICommunicator

hosts = MPICommunicator()
for length in map(int, sys.argv[2:]):
    values = np.random.default_rng((hosts.rank, length)).standard_normal((length, 2))
    calls = []
    hosts.sum(values, lambda: calls.append(length))
    assert calls == [length]
    values.tofile(f"{sys.argv[1]}/{hosts.rank}-{length}")
hosts.finalize()
"""


@pytest.mark.parametrize("n_hosts", [2, 3])
def test_all_hosts_get_the_same_sums_however_long_they_are(n_hosts: int, tmp_path: Path) -> None:
    longest_gathered = mpiexec.SHORT_BYTES // (n_hosts - 1) // 16
    # Twice the same, as in a stream; the last ones go another way.
    lengths = [1, 7, 7, longest_gathered, longest_gathered + 1, 100_000]
    launcher = Path(sys.executable).with_name("mpiexec")
    subprocess.run(
        [launcher, "-n", str(n_hosts), sys.executable, "-c", PROGRAM, tmp_path, *map(str, lengths)],
        env=mpiexec.proxy_environment(None) | {"PYTHONPATH": str(TOP)},
        check=True,
        timeout=240,
    )
    for length in lengths:
        given = [np.random.default_rng((rank, length)).standard_normal((length, 2)) for rank in range(n_hosts)]
        got = [np.fromfile(tmp_path / f"{rank}-{length}").reshape(-1, 2) for rank in range(n_hosts)]
        np.testing.assert_allclose(got[0], np.sum(given, axis=0), rtol=0, atol=1e-14)
        assert len({one.tobytes() for one in got}) == 1
