"""`docker run IMAGE train`."""

import re

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from container.artifacts.model import load
from tools.containers import Tree, docker, run

# With NUMBA_DEBUG_CACHE=1 numba reports what it loads from its cache, and what it compiles and stores there.
LOADED = re.compile(r"\[cache\] data loaded from")
COMPILED = re.compile(r"\[cache\] data saved to")
SHOW_CACHE = ("--env", "NUMBA_DEBUG_CACHE=1")
READ_ONLY = ("--read-only", "--tmpfs", "/tmp", "--network", "none")


def test_it_leaves_a_model_of_the_rows(trained: Tree, digits: NDArray[np.float32]) -> None:
    centers = load(trained.base / "model").centers
    msd = np.square(digits[:, None].astype(np.float64) - centers[None]).sum(axis=2).min(axis=1).mean()
    best = KMeans(10, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    assert msd < 1.05 * best
    assert {path.name for path in (trained.base / "model").iterdir()} == {"model_algo-1", "kmeans.json", "state.npz"}
    assert np.isclose(trained.read_json("model/kmeans.json")["msd"], msd, rtol=1e-5)
    assert sum(trained.read_json("model/kmeans.json")["cluster_sizes"]) == len(digits)
    assert (trained.base / "output" / "model.tar.gz").is_file()
    assert (trained.base / "output/data/report.html").is_file()
    assert not (trained.base / "output" / "failure").exists()


def test_its_log_has_the_lines_that_sagemaker_takes_metrics_from(trained: Tree) -> None:
    log = (trained.base / "log").read_text()
    assert re.search(r"#quality_metric: host=\S+, train msd <loss>=(\S+)", log)
    assert re.search(r"#progress_metric: host=\S+, completed (\S+) %", log)
    assert re.search(r"#throughput_metric: host=\S+, train throughput=(\S+) records/second", log)


def test_a_bad_hyperparameter_is_the_customers_error(image: str, job: Tree) -> None:
    job.configure({"k": 1, "feature_dim": 64})
    outcome = run(image, job)
    assert outcome.exit_code == 2, outcome.log
    failure = (job.base / "output" / "failure").read_text()
    assert "k" in failure
    assert "Customer Error" in outcome.log
    assert list((job.base / "model").iterdir()) == []


def test_nothing_is_compiled_at_run_time(image: str, job: Tree) -> None:
    outcome = run(image, job, flags=SHOW_CACHE)
    assert outcome.exit_code == 0, outcome.log
    assert LOADED.search(outcome.log)
    assert not COMPILED.search(outcome.log)


def test_the_kernels_are_there_for_every_level_of_cpu(image: str, job: Tree) -> None:
    """A level is a CPU name of LLVM; levels above this machine's own are omitted, since they would crash here."""
    levels = docker("run", "--rm", image, "python3", "-c", LEVELS_UP_TO_THIS_MACHINE).stdout.split()
    assert levels
    for level in levels:
        outcome = run(image, job, flags=[*SHOW_CACHE, "--env", f"NUMBA_CPU_NAME={level}"])
        assert outcome.exit_code == 0, outcome.log
        assert LOADED.search(outcome.log)
        assert not COMPILED.search(outcome.log), level


LEVELS_UP_TO_THIS_MACHINE = """
import sys
from kmeans.kernels.levels import host_level, levels
names = levels()
sys.stdout.write(" ".join(names[names.index(host_level()):]))
"""


def same_model(one: Tree, other: Tree) -> bool:
    return (one.base / "model/model_algo-1").read_bytes() == (other.base / "model/model_algo-1").read_bytes()


def test_a_read_only_file_system_and_no_network_change_nothing(image: str, job: Tree, trained: Tree) -> None:
    outcome = run(image, job, flags=[*SHOW_CACHE, *READ_ONLY])
    assert outcome.exit_code == 0, outcome.log
    assert LOADED.search(outcome.log)
    assert same_model(job, trained)


def test_a_user_other_than_root_gets_the_same_model(image: str, job: Tree, trained: Tree) -> None:
    job.open_to_all()
    outcome = run(image, job, flags=[*SHOW_CACHE, "--user", "12345"])
    assert outcome.exit_code == 0, outcome.log
    assert LOADED.search(outcome.log)
    assert not COMPILED.search(outcome.log)
    assert same_model(job, trained)
