"""From data to predictions, without Docker: write data, train, serve, predict. Run it with `make demo`."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from container.packages import needed

with needed():
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.datasets import load_digits

    from container.formats.recordio.records import dense_record, encode

HERE = Path(__file__).parent
RECORDIO = "application/x-recordio-protobuf"
ROWS_ASKED = 3
BAR_WIDTH = 40


def main() -> None:
    """Train on handwritten digits, show the model, and request the clusters of a few rows."""
    digits = load_digits().data.astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="kmeans-demo-") as folder:
        base = Path(folder)
        write_job(base, digits)
        train(base)
        show_model(base)
        with serve(base) as connection:
            predict(connection, digits[:ROWS_ASKED])


def write_job(base: Path, rows: NDArray[np.float32]) -> None:
    """Write the files that SageMaker would: the data of the channel and the configuration of the job."""
    title(f"{len(rows):,} handwritten digits of {rows.shape[1]} pixels, as protobuf RecordIO")
    configuration = {
        "hyperparameters": {"k": "10", "feature_dim": str(rows.shape[1])},
        "inputdataconfig": {"train": {"ContentType": RECORDIO, "TrainingInputMode": "File"}},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
    }
    files = {f"input/config/{name}.json": json.dumps(content).encode() for name, content in configuration.items()}
    files["input/data/train/digits.pbr"] = encode(map(dense_record, rows))
    for name, content in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        say(f"{path}  {len(content):,} bytes")


def train(base: Path) -> None:
    """Run `train`; show its log only if it fails."""
    title("./train")
    start = time.perf_counter()
    job = subprocess.run([HERE / "train"], env=environment(base), capture_output=True, text=True, check=False)
    if job.returncode:
        sys.exit(f"{job.stdout}{job.stderr}train ended with exit code {job.returncode}")
    for line in job.stdout.splitlines():
        if "#quality_metric" in line or "#throughput_metric" in line:
            say(line[line.index("#") :])
    say(f"took {time.perf_counter() - start:.1f} s and wrote")
    for path in sorted(path for path in (base / "model").iterdir() if path.is_file()):
        say(f"{path}  {path.stat().st_size:,} bytes")


def show_model(base: Path) -> None:
    """Draw the sizes of the clusters."""
    model = json.loads((base / "model" / "kmeans.json").read_text())
    title(f"{model['k']} clusters, mean squared distance (msd) {model['msd']:.2f}")
    largest = max(model["cluster_sizes"])
    for cluster, size in enumerate(model["cluster_sizes"]):
        say(f"cluster {cluster}  {size:6.0f} rows  {'#' * round(BAR_WIDTH * size / largest)}")


@contextlib.contextmanager
def serve(base: Path) -> Iterator[http.client.HTTPConnection]:
    """Run `serve` on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    title(f"./serve on port {port}")
    log = base / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [HERE / "serve"], env=environment(base, SAGEMAKER_BIND_TO_PORT=str(port)), stdout=output, stderr=output
        )
    try:
        start = time.perf_counter()
        while not answers_ping(port):
            if server.poll() is not None or time.perf_counter() - start > 60:
                sys.exit(f"{log.read_text()}serve did not become ready")
            time.sleep(0.02)
        say(f"GET /ping answered 200 after {time.perf_counter() - start:.1f} s")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            yield connection
    finally:
        server.terminate()
        server.wait()
    title(f"The server has stopped, exit code {server.returncode}")


def answers_ping(port: int) -> bool:
    """Return whether the server is ready."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False


def predict(connection: http.client.HTTPConnection, rows: NDArray[np.float32]) -> None:
    """Send the same rows as CSV and as RecordIO, and show the responses."""
    csv = "".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows).encode()
    recordio = encode(map(dense_record, rows))
    for content_type, body in ("text/csv", csv), (RECORDIO, recordio):
        title(f"POST /invocations, {len(rows)} rows as {content_type}, {len(body):,} bytes")
        connection.request(
            "POST", "/invocations", body, {"Content-Type": content_type, "Accept": "application/jsonlines"}
        )
        response = connection.getresponse()
        answer = response.read().decode()
        if response.status != http.client.OK:
            sys.exit(f"the server answered {response.status}: {answer}")
        for line in answer.splitlines():
            say(line)


def environment(base: Path, **more: str) -> dict[str, str]:
    """Return the environment of `train` and `serve`: the root of the tree, and this Python first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(base), **more}


def title(text: str) -> None:
    """Start a section of the output."""
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a line of a section."""
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
