"""Jobs on numbers that float32 can't hold apart: times in seconds since 1970, a few hours of them."""

import functools
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from container.artifacts import mxnet_ndarray
from container.artifacts.model import load, load_state
from container.configuration.files import CSV, RECORDIO
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode
from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import ServingSettings
from tests.container.hosts.cluster import cluster_of
from tests.container.job.job import Ended, Job, recordio
from tests.container.job.test_resolve import resolve
from tests.container.job.test_resuming import killed_at
from tests.container.serving.wire import JSON, JSON_LINES
from tools.server_process import serving

Doubles = NDArray[np.float64]

K = 20
CHOSEN = {"k": str(K), "feature_dim": "3", "mini_batch_size": "500", "write_report": "false"}
BEGIN = 1.7e9
HOUR = 3600


@functools.cache
def times(hours: float, n_rows: int = 3000, seed: int = 0) -> Doubles:
    """Draw rows of an integer number of seconds and two other features, of which one is sparse."""
    rng = np.random.default_rng(seed)
    seconds = BEGIN + rng.integers(round(hours * HOUR), size=n_rows)
    others = rng.integers(-300, 300, size=(n_rows, 2)) * [1, 0]
    others[::7, 1] = rng.integers(300, size=len(others[::7]))
    return np.column_stack([seconds, others]).astype(np.float64)


def records(rows: Doubles, kind: str, *, sparse: bool = False) -> bytes:
    """Write rows as tensors of a kind, dense or sparse."""
    messages = []
    for row in rows.tolist():
        message = Record()
        tensor = getattr(message.features["values"], kind)
        keys = [key for key, value in enumerate(row) if value] if sparse else range(len(row))
        tensor.values.extend(int(row[key]) if kind == "int32_tensor" else row[key] for key in keys)
        if sparse:
            tensor.keys.extend(keys)
            tensor.shape.append(len(row))
        messages.append(message)
    return encode(messages)


def csv(rows: Doubles) -> bytes:
    return "".join(f"{','.join(map(repr, row))}\n" for row in rows.tolist()).encode()


def quoted(rows: Doubles) -> bytes:
    return "".join(f'"{row[0]:.4f}",{row[1]:.25f},{row[2]}\r\n' for row in rows.tolist()).encode()


FORMS: dict[str, tuple[str, Callable[[Doubles], bytes]]] = {
    "float64": (RECORDIO, lambda rows: records(rows, "float64_tensor")),
    "sparse float64": (RECORDIO, lambda rows: records(rows, "float64_tensor", sparse=True)),
    "int32": (RECORDIO, lambda rows: records(rows, "int32_tensor")),
    "csv": (CSV, csv),
    "quoted csv": (CSV, quoted),
}


def job_on(base: Path, form: str, *parts: Doubles, **changes: str) -> Job:
    """Make a job on a file for each part."""
    content_type, write = FORMS[form]
    channel = {"TrainingInputMode": "File", "ContentType": content_type}
    job = Job(base, {**CHOSEN, **changes}, {"train": channel})
    for number, rows in enumerate(parts):
        (job.folder("train") / str(number)).write_bytes(write(rows))
    return job


def squared_distances(rows: Doubles, centers: NDArray[np.floating]) -> Doubles:
    exact = centers.astype(np.float64)
    return np.array([np.square(rows - center).sum(axis=1) for center in exact]).T


def msd(rows: Doubles, centers: NDArray[np.floating]) -> float:
    return float(squared_distances(rows, centers).min(axis=1).mean())


def lloyd(rows: Doubles, k: int = K) -> float:
    """Return the mean squared distance of the best of some runs of Lloyd's method in float64."""
    return float(KMeans(k, n_init=5, random_state=0).fit(rows - [BEGIN, 0, 0]).inertia_) / len(rows)


def run(job: Job) -> Ended:
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    job = job_on(tmp_path_factory.mktemp("trained"), "float64", times(2), write_report="true")
    job.channels["test"] = dict(job.channels["train"])
    (job.folder("test") / "rows").write_bytes(records(times(2, 500, seed=1), "float64_tensor"))
    return run(job)


@pytest.mark.parametrize(("form", "hours"), [("float64", 6), *((form, 2) for form in list(FORMS)[1:]), ("csv", 0.02)])
def test_the_model_is_as_good_as_that_of_float64(tmp_path: Path, form: str, hours: float) -> None:
    rows = times(hours)
    ended = run(job_on(tmp_path, form, rows, write_assignments="false"))
    model = load(tmp_path / "model")
    assert model.centers.dtype == np.float64
    assert msd(rows, model.centers) < 1.01 * lloyd(rows)
    assert ended.description["msd"] == pytest.approx(msd(rows, model.centers), rel=1e-6)
    # Those of the built-in's format are these, rounded.
    np.testing.assert_array_equal(ended.centers, model.centers.astype(np.float32))
    assert "computing relative to an origin" in ended.log
    assert "coarse_features" not in ended.description["events"]


def test_other_outputs_have_the_same_rows_and_centers(trained: Ended) -> None:
    rows, tested = times(2), times(2, 500, seed=1)
    centers = load(trained.base / "model").centers
    distances = np.sqrt(squared_distances(rows, centers))
    (path,) = (trained.base / "output/data/assignments").rglob("0.csv")
    written = np.loadtxt(path, delimiter=",", skiprows=1)
    np.testing.assert_allclose(written[:, 1], distances.min(axis=1), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(distances[np.arange(len(rows)), written[:, 0].astype(int)], written[:, 1], 1e-5, 1e-3)
    (logged,) = [line for line in trained.log.splitlines() if "#quality_metric" in line and "test msd" in line]
    assert float(logged.rpartition("=")[2]) == pytest.approx(msd(tested, centers), rel=1e-6)
    # Times have as many digits as it takes to distinguish them.
    assert "1,700,00" in (trained.base / "output/data/report.html").read_text()


BODIES: dict[str, Callable[[Doubles], tuple[str, bytes]]] = {
    "csv": lambda rows: (CSV, csv(rows)),
    "quoted csv": lambda rows: (CSV, quoted(rows)),
    "json": lambda rows: (JSON, json.dumps({"instances": rows.tolist()}).encode()),
    "mixed json": lambda rows: (
        JSON,
        json.dumps({"instances": [{"data": {"features": {"values": row}}} for row in rows.tolist()]}).encode(),
    ),
    "jsonlines": lambda rows: (
        JSON_LINES,
        "\n".join(json.dumps({"features": row}) for row in rows.tolist()).encode(),
    ),
    "float64": lambda rows: (RECORDIO, records(rows, "float64_tensor")),
    "sparse float64": lambda rows: (RECORDIO, records(rows, "float64_tensor", sparse=True)),
    "int32": lambda rows: (RECORDIO, records(rows, "int32_tensor")),
}


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("n_rows", [1, 100])
def test_answers_are_those_of_float64(trained: Ended, form: str, n_rows: int) -> None:
    rows = times(2, n_rows, seed=2)
    content_type, body = BODIES[form](rows)
    settings = ServingSettings(outputs=("closest_cluster", "distance_to_cluster"))
    client = create_app(ServedModel(trained.base / "model"), settings).test_client()
    answer = client.post("/invocations", data=body, content_type=content_type, headers={"Accept": CSV})
    check_answers(answer.data, rows, load(trained.base / "model").centers)


def check_answers(answer: bytes, rows: Doubles, centers: Doubles) -> None:
    answers = np.loadtxt(io.BytesIO(answer), delimiter=",", ndmin=2)
    expected = squared_distances(rows, centers)
    np.testing.assert_array_equal(answers[:, 0], expected.argmin(axis=1))
    np.testing.assert_array_equal(answers[:, 1].astype(np.float32), np.sqrt(expected.min(axis=1)).astype(np.float32))


def test_the_server_answers_so(trained: Ended) -> None:
    rows = times(2, 50, seed=5)
    with serving(trained.base) as server:
        answer = server.invoke(csv(rows), CSV, CSV)
    assert answer.status == 200
    check_answers(answer.body, rows, load(trained.base / "model").centers)


def test_one_model_of_many_answers_so_too_in_another_worker(trained: Ended, tmp_path: Path) -> None:
    rows = times(2, 50, seed=3)
    loading, other = (Registry(tmp_path, trained.base, 1 << 30) for _ in range(2))
    loading.load("a", str(trained.base / "model"))
    for registry in (loading, other):
        client = create_multi_model_app(registry, ServingSettings()).test_client()
        answer = client.post("/models/a/invoke", data=csv(rows), content_type=CSV, headers={"Accept": CSV})
        check_answers(answer.data, rows, load(trained.base / "model").centers)


def test_a_model_of_another_k_is_made_of_its_state(trained: Ended, tmp_path: Path) -> None:
    rows, out = times(2), tmp_path / "out.tar.gz"
    done = resolve("--k", "10", trained.base / "model", out)
    assert done.returncode == 0, done.stderr
    assert msd(rows, load(out).centers) < 1.02 * lloyd(rows, 10)
    assert load_state(out)[0].centers[:, 0].max() < 2 * HOUR
    # A third one can be made of this one.
    assert load_state(out)[1].origin is not None


def test_a_job_that_continues_from_it_has_an_origin_of_its_own(trained: Ended, tmp_path: Path) -> None:
    later = times(2, seed=4) + np.array([5 * HOUR, 0, 0])
    job = job_on(tmp_path, "float64", later, write_assignments="false")
    job.channels["model"] = {"ContentType": "application/x-sagemaker-model"}
    for path in (trained.base / "model").iterdir():
        (job.folder("model") / path.name).write_bytes(path.read_bytes())
    ended = run(job)
    both = np.concatenate([times(2), later])
    assert f"continuing from {len(load_state(trained.base / 'model')[0].centers)} centers, of 3000 rows" in ended.log
    origins = [load_state(base / "model")[1].origin for base in (trained.base, tmp_path)]
    assert origins[0] is not None
    assert origins[1] is not None
    assert origins[1][0] - origins[0][0] > 4 * HOUR
    assert msd(both, load(tmp_path / "model").centers) < 1.1 * lloyd(both)


def test_a_killed_job_keeps_its_origin(tmp_path: Path) -> None:
    small = {"mini_batch_size": "50", "checkpoint_interval_seconds": "0", "epochs": "2", "write_assignments": "false"}
    expected = run(job_on(tmp_path / "whole", "csv", times(2), **small))
    job = job_on(tmp_path / "killed", "csv", times(2), **small)
    (job.base / "checkpoints").mkdir()
    killed_at(job, 60)
    again = run(job)
    assert "resuming from the checkpoint of step" in again.log
    assert "computing relative to an origin" not in again.log
    for name in ("model_algo-1", "kmeans.json", "state.npz"):
        assert (job.base / "model" / name).read_bytes() == (expected.base / "model" / name).read_bytes()


@pytest.mark.parametrize("form", ["float64", "quoted csv"])
def test_a_pipe_is_looked_at_before_it_is_read(tmp_path: Path, form: str) -> None:
    rows = times(2)
    content_type, write = FORMS[form]
    job = Job(tmp_path, CHOSEN, {"train": {"TrainingInputMode": "Pipe", "ContentType": content_type}})
    fifo = job.folder("train").with_name("train_0")
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb", buffering=0) as stream:
            # The first piece ends within a row.
            data = write(rows)
            stream.write(data[:1001])
            stream.write(data[1001:])

    writer = threading.Thread(target=feed)
    writer.start()
    ended = run(job)
    writer.join()
    assert ended.description["rows_seen"] == len(rows)
    assert ended.description["msd"] == pytest.approx(msd(rows, load(tmp_path / "model").centers), rel=1e-6)
    assert msd(rows, load(tmp_path / "model").centers) < 1.01 * lloyd(rows)


def test_all_hosts_have_the_origin_of_all_rows(tmp_path: Path) -> None:
    rows = times(2)
    shards: list[Doubles] = [rows[rows[:, 0] < BEGIN + HOUR], rows[rows[:, 0] >= BEGIN + HOUR]]
    with cluster_of(tmp_path, 2, CHOSEN) as cluster:
        for host, shard in zip(cluster.hosts, shards, strict=True):
            (host.base / "input/data/train/rows").write_bytes(records(shard, "float64_tensor"))
        assert cluster.run() == [0, 0], cluster.logs
        model = cluster.hosts[0].base / "model"
        origin = load_state(model)[1].origin
        assert origin is not None
        # In the middle of both.
        assert abs(float(origin[0]) - BEGIN - HOUR) < HOUR / 4
        assert msd(rows, load(model).centers) < 1.01 * lloyd(rows)


@pytest.mark.parametrize("form", ["RecordIO", "CSV"])
def test_digits_that_were_lost_before_are_reported(tmp_path: Path, form: str) -> None:
    rows = times(6).astype(np.float32)
    content_type = RECORDIO if form == "RecordIO" else CSV
    job = Job(tmp_path, CHOSEN, {"train": {"TrainingInputMode": "File", "ContentType": content_type}})
    (job.folder("train") / "rows").write_bytes(recordio(rows) if form == "RecordIO" else csv(rows.astype(np.float64)))
    ended = run(job)
    (line,) = [line for line in ended.log.splitlines() if "too coarse for them" in line]
    assert "WARNING" in line
    assert "feature 0 (steps of 128, half of the values within " in line
    assert ended.description["events"]["coarse_features"] == 1
    # What is left of them is not rounded again.
    assert msd(rows.astype(np.float64), load(tmp_path / "model").centers) == pytest.approx(ended.description["msd"])


@pytest.mark.parametrize("content_type", [RECORDIO, CSV])
def test_ordinary_rows_are_computed_with_as_they_are(tmp_path: Path, content_type: str) -> None:
    rows = np.random.default_rng(0).normal(1000.0, 10.0, (2000, 3)).astype(np.float32)
    job = Job(tmp_path, CHOSEN, {"train": {"TrainingInputMode": "File", "ContentType": content_type}})
    write = recordio if content_type == RECORDIO else csv
    (job.folder("train") / "rows").write_bytes(write(rows))  # type: ignore[arg-type]
    ended = run(job)
    assert "relative to an origin" not in ended.log
    assert "centers" not in ended.description
    assert load_state(tmp_path / "model")[1].plain
    with np.load(tmp_path / "output/data/state.npz") as state:
        assert "origin" not in state
        assert state["sample"].shape == (2000, 3)
        assert set(map(bytes, state["sample"])) == set(map(bytes, rows))
    (centers,) = mxnet_ndarray.loads((tmp_path / "model/model_algo-1").read_bytes())
    assert load(tmp_path / "model").centers.tobytes() == centers.tobytes()
