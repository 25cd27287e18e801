"""What a job says of the fit of its model: exact where all rows are read once more, and said to be so."""

import json
import re
import signal
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.channels.reading import Reading
from container.configuration.channels import CSV, RECORDIO, ChannelConfiguration
from container.configuration.files import Paths, load
from container.job.context import JobContext
from container.job.exact_figures import write_assignments
from container.job.feature_names import FeatureNames
from container.logs.metrics import REGEXES
from container.logs.progress import Progress
from container.logs.timed_source import TimedSource
from container.stopping import Stop
from kmeans.communicator import SingleHost
from kmeans.events import Events
from kmeans.model import Model
from kmeans.observer import Observer, Silent
from kmeans.threads import Threads
from kmeans.training import fit
from tests.container.job.job import Ended, Job, csv, msd, recordio
from tests.container.job.test_stopping import read_until
from tests.kmeans.rows import settings_for

Rows = NDArray[np.float32]
HYPERPARAMETERS = {"k": "10", "feature_dim": "64", "mini_batch_size": "100", "refine_sample_size": "300"}
# Old rows weigh less then: no closing passes are made.
DECAY = {"half_life_time_size": "1000"}
FORMATS = {"application/x-recordio-protobuf": recordio, "text/csv;label_size=0": csv}
FILES = ("model/model_algo-1", "model/state.npz", "model/kmeans.json", "output/model.tar.gz")
PASS_ENDED = r"closing pass (\d+) over all rows\. Mean Square Distance = (\d+\.\d+)"


def job_in(base: Path, *files: Rows, content_type: str = "application/x-recordio-protobuf", **changes: str) -> Job:
    channels = {"train": {"TrainingInputMode": "File", "ContentType": content_type}}
    job = Job(base, {**HYPERPARAMETERS, **changes}, channels)
    for number, rows in enumerate(files):
        (job.folder("train") / f"part-{number}").write_bytes(FORMATS[content_type](rows))
    return job


def curve(ended: Ended) -> dict[int, float]:
    content = json.loads((ended.base / "output/data/msd_by_k.json").read_text())
    return {point["k"]: point["msd"] for point in content["msd_by_k"]}


def check_exact(ended: Ended, rows: Rows) -> None:
    """Compare every figure that a job states with those of its centers on all rows."""
    assert ended.exit_code == 0, ended.log
    expected = pytest.approx(msd(rows, ended.centers), rel=1e-9)
    labels = ((rows.astype(float)[:, None] - ended.centers[None]) ** 2).sum(axis=2).argmin(axis=1)
    description = ended.description
    assert description["msd"] == expected
    assert description["msd_is_exact"] is True
    assert description["rows_scored"] == len(rows)
    assert description["cluster_sizes"] == np.bincount(labels, minlength=len(ended.centers)).tolist()
    (logged,) = re.findall(REGEXES["train:msd"], ended.log)
    assert float(logged) == description["msd"]
    assert f"train msd is exact: the mean squared distance of all {len(rows)} rows" in ended.log
    assert curve(ended)[len(ended.centers)] == description["msd"]
    with tarfile.open(ended.base / "output/model.tar.gz") as tar:
        member = tar.extractfile("kmeans.json")
        assert member is not None
        assert member.read() == (ended.base / "model/kmeans.json").read_bytes()


@pytest.mark.parametrize("content_type", FORMATS)
def test_a_small_sample_is_followed_by_closing_passes(tmp_path: Path, digits: Rows, content_type: str) -> None:
    job = job_in(tmp_path, digits[:700], digits[700:], content_type=content_type)
    job.channels["train"]["TrainingInputMode"] = "FastFile"
    ended = job.run()
    check_exact(ended, digits)
    passes = re.findall(PASS_ENDED, ended.log)
    assert [int(number) for number, _ in passes] == list(range(1, len(passes) + 1))
    assert float(passes[-1][1]) == pytest.approx(ended.description["msd"], abs=1e-6)
    assert float(passes[-1][1]) <= float(passes[0][1])
    # What the built-in logs of an epoch is logged once, and of the stream alone.
    assert len(re.findall(REGEXES["train:progress"], ended.log)) == 1
    assert ended.log.count("epoch_stats=") == 1
    assert ended.log.count("processed a total of 1797 examples") == 1
    assert re.search(r"closing took: \d+\.\d{4}%", ended.log)


@pytest.mark.parametrize("content_type", FORMATS)
def test_assignments_make_figures_exact(tmp_path: Path, digits: Rows, content_type: str) -> None:
    ended = job_in(tmp_path, digits[:700], digits[700:], content_type=content_type, **DECAY).run()
    check_exact(ended, digits)
    assert not re.search(PASS_ENDED, ended.log)
    page = (tmp_path / "output/data/report.html").read_text()
    assert "of all rows" in page


def test_without_them_they_are_estimates(tmp_path: Path, digits: Rows) -> None:
    ended = job_in(tmp_path, digits, write_assignments="false", **DECAY).run()
    assert ended.exit_code == 0, ended.log
    assert ended.description["msd_is_exact"] is False
    assert "train msd is estimated" in ended.log


def test_figures_stay_estimates_when_a_file_of_assignments_cannot_be_written(tmp_path: Path, digits: Rows) -> None:
    job = job_in(tmp_path, digits[:700], digits[700:], **DECAY)
    (tmp_path / "output/data/assignments/algo-1/part-1.csv").mkdir(parents=True)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert "The assignments were not all written" in ended.log
    assert ended.description["msd_is_exact"] is False
    assert "train msd is estimated" in ended.log


def test_the_model_is_written_before_rows_are_assigned_and_the_loss_logged_after(tmp_path: Path, digits: Rows) -> None:
    job = job_in(tmp_path, digits, **DECAY)
    job.channels["test"] = {"TrainingInputMode": "File"}
    (job.folder("test") / "rows").write_bytes(recordio(digits[:100]))
    ended = job.run()
    check_exact(ended, digits)
    lines = ["wrote .*kmeans.json", "wrote the assignments", "train msd <loss>", "TOTAL took", "test msd <loss>"]
    places = [re.search(line, ended.log) for line in [*lines, "totaltime"]]
    starts = [place.start() for place in places if place]
    assert len(starts) == len(lines) + 1
    assert starts == sorted(starts)


SOME: Rows = np.random.default_rng(0).standard_normal((5_000, 30)).astype(np.float32)
N_LINKS = 150


def large(base: Path) -> Job:
    """Return a job whose closing passes take a while: the same rows many times."""
    job = job_in(base, SOME, k="30", feature_dim="30", mini_batch_size="5000", write_assignments="false")
    first = job.folder("train") / "part-0"
    for number in range(1, N_LINKS):
        first.with_name(f"part-{number}").hardlink_to(first)
    (base / "checkpoints").mkdir()
    return job


def test_a_job_that_is_killed_in_a_closing_pass_gives_the_same_bytes(tmp_path: Path) -> None:
    through = large(tmp_path / "through").run()
    assert through.exit_code == 0, through.log
    job = large(tmp_path / "killed")
    process = job.start()
    read_until(process, PASS_ENDED)
    process.kill()
    process.communicate()
    assert not (job.base / "model").exists()
    again = job.run()
    assert again.exit_code == 0, again.log
    assert "resuming from the checkpoint" in again.log
    assert "processed a total of" not in again.log
    for name in FILES:
        assert (again.base / name).read_bytes() == (through.base / name).read_bytes(), name


def test_a_job_that_is_stopped_in_a_closing_pass_keeps_what_was_scored(tmp_path: Path) -> None:
    job = large(tmp_path)
    process = job.start()
    read_until(process, PASS_ENDED)
    process.send_signal(signal.SIGTERM)
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert "There was no time for another pass over all rows" in ended.log
    assert ended.description["msd"] == pytest.approx(msd(SOME, ended.centers), rel=1e-9)
    assert ended.description["msd_is_exact"] is True
    assert ended.description["events"]["closing_cut_short"] == 1
    assert sum(ended.description["cluster_sizes"]) == N_LINKS * len(SOME)


class Meddler(Silent):
    """Does something to the files as a closing pass begins."""

    def __init__(self, at: int, meddle: Callable[[], object]) -> None:
        super().__init__()
        self.at = at
        self.meddle = meddle
        self.messages: list[str] = []
        self.events = Events(self.messages.append)

    def closing(self, number: int) -> None:
        if number == self.at:
            self.meddle()


def turn_into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


MEDDLING: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a file that is gone": (Path.unlink, "closing_failed", "got 0 files and no record"),
    "a torn record": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "closing_failed", "part-0"),
    "a folder in its place": (turn_into_folder, "closing_failed", "no record"),
    "fewer rows": (lambda path: path.write_bytes(recordio(ROWS[:900])), "rows_changed", "expected 1000, got 900"),
    "more rows": (lambda path: path.write_bytes(recordio(ROWS) * 2), "rows_changed", "expected 1000, got 2000"),
}
ROWS: Rows = np.random.default_rng(5).standard_normal((1000, 3)).astype(np.float32)


@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize("name", MEDDLING)
def test_files_that_change_between_passes_break_nothing(tmp_path: Path, name: str, threaded: bool) -> None:
    meddle, event, message = MEDDLING[name]
    (tmp_path / "part-0").write_bytes(recordio(ROWS))
    train = channel(tmp_path)
    source = Channel(train, RecordForm.of(train, 3), 100, Reading(threaded=threaded))
    observer = Meddler(2, lambda: meddle(tmp_path / "part-0"))
    model = trained(source, observer, events=observer.events)
    assert model.events[event] == 1
    assert message in observer.messages[-1]
    assert model.score_is_exact
    assert model.score.msd == pytest.approx(msd(ROWS, model.centers), rel=1e-9)


def test_distances_are_of_a_sample_if_the_rows_cannot_be_read_again(tmp_path: Path) -> None:
    outputs = {"write_assignments": "true", "assignment_outputs": '["is_anomaly"]'}
    job = Job(tmp_path, {"k": "8", "feature_dim": "3", **outputs})
    (job.folder("train") / "part-0").write_bytes(recordio(ROWS))
    job.configure()
    train = channel(job.folder("train"))
    source = Channel(train, RecordForm.of(train, 3), 100)
    chosen = replace(settings_for(ROWS, 8, batch_size=100, sample_size=100), half_life=1000)
    with Threads(1) as threads:
        model = fit(source, chosen, SingleHost(), threads, Silent())
        stop, timed = Stop(), TimedSource(source)
        progress = Progress("algo-1", 1, 100, timed, stop)
        context = JobContext(load(Paths(tmp_path)), SingleHost(), threads, None, stop, progress, 0.0, FeatureNames())
        (job.folder("train") / "part-0").unlink()
        found = write_assignments(context, model, source)
    assert found.distances is not None
    assert not found.distances.exact
    assert progress.events.counts["distances_failed"] == 1
    assert "closing_failed" not in progress.events.counts


def channel(path: Path, content_type: str = RECORDIO) -> ChannelConfiguration:
    return ChannelConfiguration("train", content_type, 0, "File", "FullyReplicated", path)


def trained(source: Channel, observer: Observer, threads: int = 1, events: Events | None = None) -> Model:
    pool = Threads(threads)
    chosen = settings_for(ROWS, 8, batch_size=100, sample_size=100)
    model = fit(source, chosen, SingleHost(), pool, observer, events=events)
    pool.close()
    return model


@pytest.mark.parametrize("content_type", [RECORDIO, CSV])
def test_threads_and_ways_of_reading_change_nothing(tmp_path: Path, content_type: str) -> None:
    (tmp_path / "part-0").write_bytes((recordio if content_type == RECORDIO else csv)(ROWS))
    found: list[Any] = []
    for threads, threaded in ((1, False), (1, True), (3, True)):
        train = channel(tmp_path, content_type)
        source = Channel(train, RecordForm.of(train, 3), 100, Reading(threaded=threaded))
        model = trained(source, Silent(), threads)
        assert model.score_is_exact
        found.append((model.centers.tobytes(), model.score.msd, model.score.cluster_ssds.tobytes()))
    assert found.count(found[0]) == len(found)
