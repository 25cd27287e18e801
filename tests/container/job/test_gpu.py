"""Which jobs use a GPU: in numba's simulator, since no test machine has one."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from container import resources
from container.errors import CustomerError
from container.hosts.agreement import disagreement
from container.resources import gpu_count
from tests.container.job.job import Ended, Job, recordio

SMALL = {
    "k": "2",
    "feature_dim": "2",
    "mini_batch_size": "16",
    "extra_center_factor": "2",
    "local_lloyd_num_trials": "1",
    "local_lloyd_max_iter": "3",
    "refine_sample_size": "0",
    "write_report": "false",
}
# As `train`, for a simulated GPU that is worth using for the smallest job.
PROGRAM = """
import sys
from container.stopping import on_signals
stop = on_signals()
from tests.kmeans.gpu import simulated
simulated.prepare()
import kmeans.assignment.engine, kmeans.trainer
kmeans.assignment.engine.MIN_GPU_PRODUCTS = kmeans.trainer.MIN_GPU_ROWS = 1
from container.job.main import main
sys.exit(main(stop))
"""


def job(base: Path, **changes: str) -> Job:
    one = Job(base, {**SMALL, **changes})
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((40, 2)) + 9 * rng.integers(0, 2, (40, 1))).astype(np.float32)
    (one.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    return one


def simulated(one: Job) -> Ended:
    one.configure()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**one.environment(), "NUMBA_ENABLE_CUDASIM": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return one.ended(process)


def gpus_used(ended: Ended) -> list[str]:
    return re.findall(r"Number of GPUs being used: (\d+)", ended.log)


def test_a_job_on_a_gpu_ends_with_the_model_of_the_cpu(tmp_path: Path) -> None:
    on_gpu, on_cpu = simulated(job(tmp_path / "gpu")), job(tmp_path / "cpu").run()
    assert on_gpu.exit_code == on_cpu.exit_code == 0, on_gpu.log
    assert (gpus_used(on_gpu), gpus_used(on_cpu)) == (["1"], ["0"])
    assert "GPU: a simulated GPU" in on_gpu.log
    np.testing.assert_allclose(on_gpu.centers, on_cpu.centers, rtol=1e-6)
    assert on_gpu.description["msd"] == pytest.approx(on_cpu.description["msd"], rel=1e-6)


def test_no_gpu_is_used_where_none_is_wanted(tmp_path: Path) -> None:
    ended = simulated(job(tmp_path, _num_gpus="0"))
    assert ended.exit_code == 0
    assert gpus_used(ended) == ["0"]


def test_a_job_that_asks_for_gpus_runs_without_them_after_a_warning(tmp_path: Path) -> None:
    ended = job(tmp_path, _num_gpus="2").run()
    assert ended.exit_code == 0
    assert gpus_used(ended) == ["0"]
    assert "Expected 2 GPUs by _num_gpus, found none that this image can use." in ended.log


def test_gpus_are_counted_by_their_device_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    for spec, expected in ((object(), 2), (None, 0)):
        monkeypatch.setattr(resources, "find_spec", lambda _, spec=spec: spec)
        assert gpu_count(tmp_path) == expected


def test_hosts_with_and_without_a_gpu_are_refused_by_name() -> None:
    error = disagreement({"algo-1": {"the number of GPUs": "1"}, "algo-2": {"the number of GPUs": "0"}})
    assert isinstance(error, CustomerError)
    assert str(error) == "Customer Error: The hosts disagree on the number of GPUs: algo-1 has 1, algo-2 has 0"
