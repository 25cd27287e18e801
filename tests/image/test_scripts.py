"""The scripts of `container/local_test`, run one after the other, as a new user would."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

SCRIPTS = Path(__file__).parents[2] / "container/local_test"
SAMPLE = SCRIPTS / "sample"


def test_train_serve_and_predict_on_the_sample(image: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = {**os.environ, "TEST_DIR": str(tmp_path / "ml"), "PORT": port}
    trained = subprocess.run(
        [SCRIPTS / "train_local.sh", image], env=environment, capture_output=True, text=True, check=False
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert (tmp_path / "ml/model/model_algo-1").is_file()

    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen([SCRIPTS / "serve_local.sh", image], env=environment, stdout=output, stderr=output) as server,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", server, log)
            predicted = subprocess.run(
                [SCRIPTS / "predict.sh", SAMPLE / "payload.csv"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            refused = subprocess.run(
                [SCRIPTS / "predict.sh", SAMPLE / "payload.csv", "text/unknown"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)
    assert predicted.returncode == 0, predicted.stdout + predicted.stderr
    predictions = json.loads(predicted.stdout)["predictions"]
    assert len({prediction["closest_cluster"] for prediction in predictions}) == 3
    assert refused.returncode != 0


def test_two_hosts_train_one_model_of_all_rows(image: str, tmp_path: Path) -> None:
    trained = subprocess.run(
        [SCRIPTS / "train_two_hosts.sh", image],
        env={**os.environ, "TEST_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    first, second = (tmp_path / "two_hosts" / host for host in ("algo-1", "algo-2"))
    assert json.loads((first / "model/kmeans.json").read_text())["rows_seen"] == 150
    assert list((second / "model").iterdir()) == []


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
