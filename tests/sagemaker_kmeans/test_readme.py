"""The programs of the package's page."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.sagemaker_kmeans.test_local_model import CENTERS, DISTANCES, packed, saved
from tools.documents import ROOT, section, snippets, text

PAGE = text(ROOT / "sagemaker_kmeans" / "README.md")


def test_the_programs_without_an_sdk_run_twice(tmp_path: Path) -> None:
    packed(saved(tmp_path / "model", CENTERS, distances=DISTANCES))
    np.savetxt(tmp_path / "rows.csv", CENTERS, delimiter=",")
    part = section(PAGE, "A model without any SDK")
    (program,) = snippets(part, "python")
    (commands,) = snippets(part, "shell")
    predict, anomalies, _ = commands.strip().splitlines()
    for _ in range(2):
        done = run(tmp_path, [sys.executable, "-c", program])
        assert done.startswith("[0 1 2]\n(3, 3)\n")
        run(tmp_path, [sys.executable, *predict.split()[1:]])
        assert (tmp_path / "predictions.csv").read_text().splitlines()[1:] == ["0,0.0", "1,0.0", "2,0.0"]
        run(tmp_path, [sys.executable, *anomalies.split()[1:]])
        assert (tmp_path / "anomalies.csv").read_text() == "closest_cluster,is_anomaly\n0,0\n1,0\n2,0\n"


def test_the_clusterer_runs(tmp_path: Path) -> None:
    (program,) = snippets(section(PAGE, "As a scikit-learn estimator"), "python")
    rows = "import numpy as np\nrows = np.random.default_rng(0).random((500, 3))\n"
    run(tmp_path, [sys.executable, "-c", rows + program])


def run(folder: Path, command: list[str]) -> str:
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
