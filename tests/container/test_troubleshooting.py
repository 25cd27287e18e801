"""Every message of ours that `docs/troubleshooting.md` quotes is what the program really says."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from container import algorithm, convert
from container.artifacts.description import describe
from container.artifacts.model import SavedModel, save
from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.channels.reading import Reading
from container.configuration import files as configuration
from container.configuration.channels import MODEL, ChannelConfiguration
from container.configuration.files import Paths
from container.errors import CustomerError, JobError
from container.files.atomic import naming
from container.formats.recordio.records import dense_record, encode
from container.hosts.agreement import disagreement
from container.job.failure import reported
from container.job.given_model import read_earlier_model
from container.logs.logger import Output
from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import MAX_PAYLOAD_MB, ServingSettings
from kmeans.sample import Sample
from kmeans.state import State
from tests.container.disk import READ_ONLY, room_for
from tests.container.job.checkpoint_files import packed, unpacked
from tests.container.job.job import Job, csv
from tests.container.serving.wire import JSON_LINES, RECORDIO
from tools.documents import ROOT, section, snippets, text

PAGE = ROOT / "docs/troubleshooting.md"
MINIMAL = {"k": "5", "feature_dim": "3"}
CSV = {"train": {"ContentType": "text/csv"}}
# Nobody waits for the quarter of an hour that a job waits.
FIFO_SECONDS = 0.01
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
# In seconds since 1970, in steps of float32.
TIMES = [[1.7e9 + 128 * step, 2.0, 3.0] for step in range(57)]

# A feature in other units than the others.
UNLIKE = [[1.0, 2.0, 100.0], [4.0, 5.0, 250.0], [7.0, 8.0, 180.0]]


def named(*names: str) -> SavedModel:
    centers = np.array(ROWS, np.float32)
    given = describe(centers, hyperparameters={}, seed=0, cluster_sizes=[1, 1, 1], msd=0.0, feature_names=names)
    return SavedModel(centers, given)


def records(*rows: list[float]) -> bytes:
    return encode(dense_record(np.array(row, np.float32)) for row in rows)


class Scene:
    """A folder in which things go wrong; what is said names it /opt/ml."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def job(
        self,
        hyperparameters: Mapping[str, str] | str | None = None,
        channels: Mapping[str, object] | None = None,
        content: bytes | None = None,
        name: str = "rows.csv",
    ) -> str:
        """Read a job's configuration and then its data; give what is said of them."""
        config, train = self.base / "input/config", self.base / "input/data/train"
        config.mkdir(parents=True)
        train.mkdir(parents=True)
        given = MINIMAL if hyperparameters is None else hyperparameters
        if given:
            given = given if isinstance(given, str) else json.dumps(given)
            (config / "hyperparameters.json").write_text(given)
        (config / "inputdataconfig.json").write_text(json.dumps({"train": {}} if channels is None else channels))
        if content is not None:
            (train / name).write_bytes(content)
        with pytest.raises(JobError) as error:
            self._read()
        return str(error.value)

    def _read(self) -> None:
        job = configuration.load(Paths(self.base))
        train = job.channels["train"]
        form = RecordForm.of(train, job.hyperparameters.feature_dim, job.hyperparameters.selection)
        source = Channel(train, form, 5000, Reading(fifo_timeout_seconds=FIFO_SECONDS))
        for _ in source.blocks():
            pass

    def log(
        self, hyperparameters: Mapping[str, str], *rows: list[float], mode: str = "File", host: str = "algo-1"
    ) -> str:
        """Run a whole job."""
        job = Job(self.base, dict(hyperparameters), {"train": {"TrainingInputMode": mode}}, (host,))
        if rows:
            (job.folder("train") / "rows.pbr").write_bytes(records(*rows))
        return job.run().log

    def stopped(self) -> str:
        """Stop a job that waits for its pipe."""
        job = Job(self.base, MINIMAL, {"train": {"TrainingInputMode": "Pipe"}})
        process = job.start()
        assert process.stdout is not None
        # Its handlers are there before its first line.
        first = process.stdout.readline()
        process.terminate()
        return first + job.ended(process).log

    def grace(self) -> str:
        job = Job(self.base, MINIMAL)
        return job.ended(job.start(SAGEMAKER_KMEANS_GRACE_SECONDS="soon")).log

    def request(
        self,
        body: bytes = b"1,2,3\n",
        content_type: str = "text/csv",
        accept: str = "*/*",
        settings: ServingSettings = ServingSettings(),  # noqa: B008
    ) -> str:
        """Ask a model of three features."""
        save(self.base / "model", "algo-1", named("age", "income", "visits"))
        client = create_app(ServedModel(self.base / "model"), settings).test_client()
        return client.post(
            "/invocations", data=body, headers={"Content-Type": content_type, "Accept": accept}
        ).get_data(as_text=True)

    def folder_in_place_of_a_file(self) -> str:
        (self.base / "input/config/hyperparameters.json").mkdir(parents=True)
        with pytest.raises(CustomerError) as error:
            self._read()
        return str(error.value)

    def converted_from_a_fifo(self) -> str:
        os.mkfifo(self.base / "rows.csv")
        return self.command(convert.__name__, str(self.base / "rows.csv"), str(self.base / "out"))

    def converted_header(self) -> str:
        (self.base / "rows.csv").write_text("height,weight\n1.5,2\n")
        return self.command(convert.__name__, str(self.base / "rows.csv"), str(self.base / "out"))

    def older_python(self) -> str:
        code = "import sys; sys.version_info = (3, 10, 13); import container"
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stderr

    def converted_times(self) -> str:
        np.save(self.base / "rows.npy", np.array(TIMES)[:, [1, 0]])
        output = io.StringIO()
        with redirect_stderr(output):
            assert convert.main([str(self.base / "rows.npy"), str(self.base / "out")]) == 0
        return output.getvalue()

    def ping_without_model(self) -> str:
        (self.base / "model").mkdir()
        return (
            create_app(ServedModel(self.base / "model"), ServingSettings())
            .test_client()
            .get("/ping")
            .get_data(as_text=True)
        )

    def unknown_model(self) -> str:
        registry = Registry(self.base, self.base, 1 << 20)
        return (
            create_multi_model_app(registry, ServingSettings())
            .test_client()
            .get("/models/shops.tar.gz")
            .get_data(as_text=True)
        )

    def other_job(self) -> str:
        (self.base / "checkpoints").mkdir(parents=True)
        self.log({"k": "2", "feature_dim": "3", "checkpoint_interval_seconds": "0"}, *ROWS)
        return self.log({"k": "3", "feature_dim": "3"}, *ROWS)

    def odd_checkpoint(self) -> str:
        folder = self.base / "checkpoints"
        folder.mkdir(parents=True)
        hyperparameters = {"k": "2", "feature_dim": "3", "checkpoint_interval_seconds": "0"}
        self.log(hyperparameters, *ROWS)
        newest = max(folder.iterdir())
        arrays, facts = unpacked(newest)
        newest.write_bytes(packed(arrays, {**facts, "epoch": -1}))
        return self.log(hyperparameters, *ROWS)

    def odd_state(self) -> str:
        folder = self.base / "input/data/model"
        centers = np.array(ROWS)
        sample = Sample(np.array(ROWS, np.float32), np.arange(3), np.ones(3), complete=True)
        state = State(centers, np.ones(3), np.zeros(3, np.float32), sample)
        save(folder, "algo-1", SavedModel(np.array(ROWS, np.float32), None), state)
        with np.load(folder / "state.npz") as arrays:
            np.savez(folder / "state.npz", **{**arrays, "centers": centers * np.inf})
        return self._earlier_model(folder)

    def other_features(self) -> str:
        folder = self.base / "input/data/model"
        save(folder, "algo-1", SavedModel(np.array(ROWS, np.float32)[:, :2], None))
        return self._earlier_model(folder)

    def features_in_another_order(self) -> str:
        folder = self.base / "input/data/model"
        save(folder, "algo-1", named("income", "age", "visits"))
        return self._earlier_model(folder)

    def other_k(self) -> str:
        save(self.base / "input/data/model", "algo-1", SavedModel(np.array(ROWS, np.float32), None))
        return self.table_of_three({"k": "2", "feature_dim": "3", "epochs": "0"}, "")

    def table_of_three(self, hyperparameters: Mapping[str, str], name: str = "centers.csv") -> str:
        """Run a job with three centers in the channel `model`, in a table of that name unless they are there."""
        job = Job(self.base, dict(hyperparameters), {"train": {}, "model": {}})
        (job.folder("train") / "rows.pbr").write_bytes(records(*ROWS))
        if name:
            (job.folder("model") / name).write_bytes(csv(np.array(ROWS, np.float32)))
        return job.run().log

    def _earlier_model(self, folder: Path) -> str:
        channel = ChannelConfiguration("model", MODEL, None, "File", "FullyReplicated", folder)
        with pytest.raises(CustomerError) as error:
            read_earlier_model(channel, 3, names=("age", "income", "visits"))
        return str(error.value)

    def failure(self, kind: type[Exception]) -> str:
        with reported(self.base / "failure"):
            self._fail(kind)
        return (self.base / "failure").read_text()

    def _fail(self, kind: type[Exception]) -> None:
        raise kind

    def full_disk(self) -> str:
        path = self.base / "model/state.npz"
        with reported(self.base / "failure"), Path("/dev/full").open("wb", buffering=0) as full, naming(path):
            full.write(b"x")
        return (self.base / "failure").read_text()

    def read_only(self, folder: str) -> str:
        (self.base / folder).symlink_to(READ_ONLY)
        return self.log({"k": "2", "feature_dim": "3"}, *ROWS)

    def log_on_a_full_disk(self) -> str:
        errors = io.StringIO()
        with Path("/dev/full").open("w") as full, redirect_stderr(errors):
            output = Output(full)
            output.write("a line")
            output.flush()
            # What is left in the buffer would be tried again when the stream is closed.
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), full.fileno())
        return errors.getvalue()

    def lasting_failure(self) -> str:
        (self.base / "output/failure").mkdir(parents=True)
        # It ends soon.
        return self.log({"k": "1"})

    def model_without_distances(self) -> str:
        save(self.base / "model", "algo-1", SavedModel(np.array(ROWS, np.float32)))
        app = create_app(ServedModel(self.base / "model"), ServingSettings(outputs=("is_anomaly",)))
        return str(app.test_client().get("/ping").data.decode())

    def setting(self) -> str:
        with pytest.raises(CustomerError) as error:
            ServingSettings.from_environment({"SAGEMAKER_INFERENCE_TOP_N": "ten"})
        return str(error.value)

    def serving_without_room(self) -> str:
        with room_for(0):
            return subprocess.run(
                [sys.executable, "serve"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
            ).stdout

    def command(self, *arguments: str, flags: Sequence[str] = ()) -> str:
        done = subprocess.run(
            [sys.executable, *flags, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        return done.stderr

    def parquet(self, index: str, **columns: list[object]) -> str:
        """Convert a table that pandas may have written."""
        metadata = {"pandas": json.dumps({"index_columns": [index]})}
        pyarrow.parquet.write_table(pyarrow.table(columns, metadata=metadata), self.base / "rows.parquet")
        arguments = [sys.executable, "-m", convert.__name__, "rows.parquet", "rows.npy"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            arguments, cwd=self.base, env=environment, capture_output=True, text=True, check=False
        ).stderr

    def only_a_manifest(self) -> str:
        (self.base / "input/data/train").mkdir(parents=True)
        (self.base / "input/data/train/manifest").touch()
        return self.log(MINIMAL)

    def converted_onto_files(self) -> str:
        np.save(self.base / "rows.npy", np.ones((2, 2), np.float32))
        return self.command(convert.__name__, str(self.base / "rows.npy"), str(self.base))


def in_source(name: str, **values: str) -> str:
    """Return the source of a module of the hosts, with values in place of some names."""
    words = text(ROOT / "container/hosts" / name)
    for place, value in values.items():
        words = re.sub(rf"{{{re.escape(place)}(:g)?}}", value, words)
    return words


# By how the quotation begins, without the prefix of its class or the parenthesis around its detail.
MAKERS: dict[str, Callable[[Scene], str]] = {
    "No value(s)": lambda scene: scene.job({"k": "5"}),
    "Extraneous hyperparameter": lambda scene: scene.job({**MINIMAL, "mini_batch": "1"}),
    "Hyperparameter k:": lambda scene: scene.job({**MINIMAL, "k": "1"}),
    "Hyperparameter eval_metrics": lambda scene: scene.job({**MINIMAL, "eval_metrics": "mse"}),
    "The tuning objective": lambda scene: scene.job({**MINIMAL, "_tuning_objective_metric": "test:msd"}),
    "Expected the job's": lambda scene: scene.job(""),
    "/opt/ml/input/config/hyperparameters.json must": lambda scene: scene.job("{k: 5}"),
    "/opt/ml/input/config/hyperparameters.json: expected a": lambda scene: scene.folder_in_place_of_a_file(),
    "Missing required channel": lambda scene: scene.job(channels={}),
    "Extraneous channel": lambda scene: scene.job(channels={"train": {}, "validation": {}}),
    "Channel train: expected content": lambda scene: scene.job(
        channels={"train": {"ContentType": "application/x-npz"}}
    ),
    "expected TrainingInputMode File or FastFile": lambda scene: scene.job(
        channels={"train": {"ContentType": "application/x-parquet", "TrainingInputMode": "Pipe"}}
    ),
    "Channel train: expected charset": lambda scene: scene.job(
        channels={"train": {"ContentType": "text/csv;charset=utf-16"}}
    ),
    "Channel train: expected RecordWrapperType": lambda scene: scene.job(
        channels={"train": {"RecordWrapperType": "RecordIO"}}
    ),
    "/opt/ml/input/data/train: expected data": lambda scene: scene.log(MINIMAL),
    "expected data": lambda scene: scene.only_a_manifest(),
    "train/rows.pbr.gz": lambda scene: scene.job(content=gzip.compress(records([1, 2])), name="rows.pbr.gz"),
    "expected lines": lambda scene: scene.job(channels=CSV, content=b"1,2,3\r4,5,6\r"),
    "train/rows.csv, record 1: expected RecordIO": lambda scene: scene.job(content=b"1,2,3\n" * 9),
    "train/rows.pbr, record 1": lambda scene: scene.job(content=records([1, 2]), name="rows.pbr"),
    "train/rows.csv, record 1: expected 3": lambda scene: scene.job(channels=CSV, content=b"1,2,3,4,5\n"),
    "record 1, column 0": lambda scene: scene.job(channels=CSV, content=b"height,width,age\n"),
    "train/rows.csv, line 1": lambda scene: scene.job(
        channels={"train": {"ContentType": "text/csv;header=present"}}, content=b"id,town,height,width,age\n1,2,3,4,5\n"
    ),
    "record 2, column 1": lambda scene: scene.job(channels=CSV, content=b"1,2,3\n1,abc,3\n"),
    "Found weights": lambda scene: scene.job(
        {**MINIMAL, "weight_column": "count"},
        {"train": {"ContentType": "text/csv;header=present"}},
        b"count,a,b,c\n1,1,2,3\n-2,4,5,6\n",
    ),
    "Found missing": lambda scene: scene.job(channels=CSV, content=b"1,2,3\n1,,3\n"),
    "Unable to read data channel 'train'. Found rows of zeros": lambda scene: scene.log(
        {"k": "2", "feature_dim": "3", "distance": "cosine"}, ROWS[0], [0.0, 0.0, 0.0], *ROWS[1:]
    ),
    "Found infinite": lambda scene: scene.job(content=records([1, np.inf, 3])),
    "record 1: expected 28": lambda scene: scene.job(content=records([1, 2, 3])[:-2]),
    "k = 5 clusters": lambda scene: scene.log(MINIMAL, *ROWS),
    "Lower k, extra_center_factor": lambda scene: scene.log(
        {"k": "2", "feature_dim": "3", "extra_center_factor": "2147483647"}, *ROWS
    ),
    "The job was stopped before any row": lambda scene: scene.stopped(),
    "The job was stopped before its hosts": lambda _: text(ROOT / "container/hosts/launcher.py"),
    "There was no time to look": lambda _: text(ROOT / "kmeans/trainer.py"),
    # These take a hand in a job while it runs.
    "There was no time for another": lambda _: text(ROOT / "kmeans/finalization/closing.py"),
    "The model could not": lambda _: text(ROOT / "kmeans/finalization/closing.py"),
    "The training rows have changed": lambda _: (
        text(ROOT / "kmeans/finalization/closing.py").replace("{n_rows}", "1000").replace("{self.tally.rows}", "900")
    ),
    "SAGEMAKER_KMEANS_GRACE_SECONDS": lambda scene: scene.grace(),
    "/opt/ml/input/data/train_0": lambda scene: scene.job(channels={"train": {"TrainingInputMode": "Pipe"}}).replace(
        f"{FIFO_SECONDS:g} seconds", "900 seconds"
    ),
    "The hosts disagree": lambda _: str(
        disagreement({"algo-1": {"hyperparameter k": "5"}, "algo-2": {"hyperparameter k": "6"}})
    ),
    # It takes several machines to make these: the source has their words.
    "Not all hosts": lambda _: in_source("meeting.py", seconds="900"),
    "algo-2: port": lambda _: in_source("network.py", host="algo-2", port="7011"),
    "algo-2: the network interface": lambda _: in_source("network.py", host="algo-2", interface="eth1"),
    "two hosts are named": lambda _: in_source("meeting.py", host="algo-2", first="10.0.0.2", remote="10.0.0.3"),
    "MPI to connect": lambda _: in_source("stages.py", **{"": "algo-1, algo-2"}),
    "algo-1, algo-2 waited": lambda _: in_source("stages.py", hosts="algo-1, algo-2", STUCK_SECONDS="45"),
    "algo-2 was lost: its connection": lambda _: in_source(
        "launcher.py", host="algo-2", how="its connection is closed"
    ),
    "algo-2 was lost: its worker": lambda _: in_source(
        "launcher.py", **{"self._host": "algo-2", "cause": "ran out of memory"}
    ),
    "it is of another job": lambda scene: scene.other_job(),
    "epoch: expected": lambda scene: scene.odd_checkpoint(),
    "Channel model: expected a": lambda scene: scene.other_features(),
    "Channel model: expected a model of k": lambda scene: scene.other_k(),
    "Channel model: expected a table": lambda scene: scene.table_of_three({"k": "2", "feature_dim": "3"}),
    "Hyperparameter epochs: expected 1": lambda scene: scene.job({"k": "2", "feature_dim": "3", "epochs": "0"}),
    "Channel model: the order": lambda scene: scene.features_in_another_order(),
    "Channel model: /opt/ml": lambda scene: scene.odd_state(),
    "Batch size 5000": lambda scene: scene.log({"k": "2", "feature_dim": "3"}, *(ROWS * 599)),
    "The values of some features": lambda scene: scene.log({"k": "2", "feature_dim": "3"}, *TIMES),
    "One feature outweighs": lambda scene: scene.log({"k": "2", "feature_dim": "3"}, *UNLIKE),
    "float32 is too coarse": lambda scene: scene.converted_times(),
    "Expected 2 GPUs": lambda scene: scene.log({"k": "2", "feature_dim": "3", "_num_gpus": "2"}, *ROWS),
    "Hyperparameter _num_slices": lambda scene: scene.log({"k": "2", "feature_dim": "3", "_num_slices": "2"}, *ROWS),
    "The centers are in": lambda scene: scene.log({"k": "2", "feature_dim": "3"}, *ROWS, host="laptop"),
    "No assignments are written with": lambda scene: scene.read_only("output"),
    "No assignments": lambda scene: scene.log({"k": "2", "feature_dim": "3"}, *ROWS, mode="FastFile"),
    "msd_by_k.json": lambda scene: scene.read_only("output"),
    "Lines of the log": lambda scene: scene.log_on_a_full_disk(),
    "of an earlier job": lambda scene: scene.lasting_failure(),
    "OSError": lambda scene: scene.full_disk(),
    "/opt/ml/model: expected a folder": lambda scene: scene.read_only("model"),
    "expected the package": lambda scene: scene.command(convert.__name__, flags=["-S"]),
    "expected Python": lambda scene: scene.older_python(),
    "MemoryError": lambda scene: scene.failure(MemoryError),
    "This is a bug": lambda scene: scene.failure(KeyError),
    "unable to evaluate payload provided: record": lambda scene: scene.request(b"1,2\n"),
    "unable to evaluate payload provided: line": lambda scene: scene.request(b"[1,2,3]\n\n[1,2,3]\n", JSON_LINES),
    "unable to evaluate payload provided: line 1: expected 'age'": lambda scene: scene.request(
        b"id,age,income\n1,2,3\n", "text/csv;header=present"
    ),
    "unable to evaluate payload provided: record 1: expected frames": lambda scene: scene.request(
        dense_record(np.array(ROWS[0], np.float32)).SerializeToString() * 2, RECORDIO
    ),
    "unable to evaluate payload provided: instance": lambda scene: scene.request(
        b'{"instances": [{"features": [1, 2]}]}', "application/json"
    ),
    "expected Content-Type": lambda scene: scene.request(content_type="application/x-npy"),
    "expected charset": lambda scene: scene.request(content_type="text/csv;charset=latin-1"),
    "expected Accept": lambda scene: scene.request(accept="text/html"),
    "expected label_size=0": lambda scene: scene.request(content_type="text/csv;label_size=1"),
    "expected a body": lambda scene: scene.request(bytes((MAX_PAYLOAD_MB << 20) + 1)),
    "expected an answer": lambda scene: scene.request(
        b"1,2,3\n" * 50_000, settings=ServingSettings(max_payload_bytes=None, max_held_bytes=1 << 20)
    ),
    "the model cannot": lambda scene: scene.ping_without_model(),
    "expected a model with distances": lambda scene: scene.model_without_distances(),
    "SAGEMAKER_INFERENCE_TOP_N": lambda scene: scene.setting(),
    "serve needs": lambda scene: scene.serving_without_room(),
    "model 'shops.tar.gz'": lambda scene: scene.unknown_model(),
    "expected no such folder": lambda scene: scene.converted_onto_files(),
    "rows.csv: expected a regular": lambda scene: scene.converted_from_a_fifo(),
    "expected a path": lambda scene: scene.command(convert.__name__, "rows.npy", "s3://bucket/train/"),
    "rows.parquet: left out": lambda scene: scene.parquet("__index_level_0__", a=[1.5], __index_level_0__=[7]),
    "expected columns of numbers": lambda scene: scene.parquet("", a=[1.5], shop=["Rome"]),
    "rows.csv, record 1: expected numbers": lambda scene: scene.converted_header(),
    "expected docker with buildx": lambda _: text(ROOT / "container/build_and_push.sh"),
    "expected ACCOUNT": lambda scene: scene.command(algorithm.__name__, "--image", "kmeans", "--role", "x"),
    "Python 3.11.4": lambda _: text(ROOT / "Makefile"),
}
CONTENT = text(PAGE)
QUOTED = [message.strip() for message in snippets(CONTENT, "text")]


def bare(message: str) -> str:
    return re.sub(r"^(Customer|Platform|Algorithm) Error: |^\(", "", message)


def test_every_quotation_has_a_test_and_none_is_of_the_services_own() -> None:
    assert not snippets(section(CONTENT, "Messages of SageMaker's own"), "text")
    unmade = [message for message in QUOTED if not any(bare(message).startswith(begin) for begin in MAKERS)]
    assert unmade == []
    assert all(any(bare(message).startswith(begin) for message in QUOTED) for begin in MAKERS)


@pytest.mark.parametrize("message", QUOTED)
def test_the_program_says_so(tmp_path: Path, message: str) -> None:
    begin = max((begin for begin in MAKERS if bare(message).startswith(begin)), key=len)
    assert message in MAKERS[begin](Scene(tmp_path)).replace(str(tmp_path), "/opt/ml")
