"""Checkpoints: whole, newest, of this very job, or skipped."""

import json
import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts.checkpoint import MAGIC, CheckpointError, Checkpoints
from container.artifacts.snapshot_layout import arrays_of, facts_of, snapshot_of
from container.channels.files import inventory
from container.job.checkpointing import saving
from container.logs.progress import Progress
from container.logs.timed_source import TimedSource
from container.precision.coordinates import UNIT, Coordinates
from container.stopping import Stop
from kmeans.communicator import Communicator, SingleHost
from kmeans.events import Events
from kmeans.settings import TrainingSettings
from kmeans.stream.control import Control
from kmeans.stream.snapshot import RunSnapshot
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.training import fit
from tests.kmeans.rows import Rows, settings_for

ROWS = np.random.default_rng(0).standard_normal((120, 4)).astype(np.float32)
HOSTS = ("algo-1",)
SETTINGS = settings_for(ROWS, 3, batch_size=20, sample_size=50)
OTHER = replace(SETTINGS, k=4)


class Channel(Rows):
    """Rows in memory, as a channel has them."""

    path = Path("train")
    bytes_read = 0

    def gap_rows(self) -> int:
        return 3


@pytest.fixture(scope="module")
def snapshots() -> list[RunSnapshot]:
    """Return those of a real run."""
    taken: list[RunSnapshot] = []

    def save(snapshot: RunSnapshot) -> None:
        taken.append(deepcopy(snapshot))

    source = TimedSource(Channel(ROWS, 20))  # type: ignore[arg-type]
    progress = Progress("algo-1", 1, 20, source, Stop())
    fit(source, SETTINGS, SingleHost(), Threads(), progress, Control(saving=lambda: True, save=save))
    return taken


def checkpoints(
    folder: Path,
    settings: TrainingSettings = SETTINGS,
    host: str = "algo-1",
    hosts: tuple[str, ...] = HOSTS,
    interval: float = 0,
) -> Checkpoints:
    return Checkpoints(folder, host, hosts, settings, interval)


def steps(found: Checkpoints) -> list[int]:
    return list(found.steps())


def test_a_stream_that_reassigns_is_another_job_than_one_that_does_not(
    tmp_path: Path, snapshots: list[RunSnapshot], caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints(tmp_path).save(snapshots[2])
    assert steps(checkpoints(tmp_path, replace(SETTINGS, reassign_far_rows=False))) == []
    assert "it is of another job: reassign_far_rows was true, is false" in caplog.text


def test_a_job_that_standardizes_is_another_one(
    tmp_path: Path, snapshots: list[RunSnapshot], caplog: pytest.LogCaptureFixture
) -> None:
    scaled = Coordinates(np.arange(4.0), np.array([0.5, 2.0, 1.0, 1.0]))
    standardizing = Checkpoints(tmp_path, "algo-1", HOSTS, SETTINGS, 0, rows={"standardize": True})
    standardizing.save(snapshots[2], scaled)
    assert steps(standardizing) == [3]
    assert standardizing.load(3).coordinates.description() == scaled.description()
    assert steps(checkpoints(tmp_path)) == []
    assert "it is of another job: standardize was true, is null" in caplog.text


def test_a_job_of_another_distance_is_another_one(
    tmp_path: Path, snapshots: list[RunSnapshot], caplog: pytest.LogCaptureFixture
) -> None:
    spherical = checkpoints(tmp_path, replace(SETTINGS, spherical=True))
    spherical.save(snapshots[2], UNIT)
    assert steps(spherical) == [3]
    assert spherical.load(3).coordinates.unit
    assert steps(checkpoints(tmp_path)) == []
    assert "it is of another job: spherical was true, is null" in caplog.text
    spherical.save(snapshots[2])
    assert steps(spherical) == []
    assert "expected the coordinates of its job, got those for distance=euclidean" in caplog.text


def test_what_is_read_is_what_was_written(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    checkpoints(tmp_path).save(snapshots[2])
    again = checkpoints(tmp_path)
    assert steps(again) == [3]
    found = again.load(3).snapshot
    assert found.step == snapshots[2].step
    assert facts_of(found) == json.loads(json.dumps(facts_of(snapshots[2])))
    arrays, expected = arrays_of(found), arrays_of(snapshots[2])
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_the_last_two_of_each_host_are_kept(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    for host in "algo-1", "algo-10":
        mine = checkpoints(tmp_path, host=host)
        for snapshot in snapshots[:4]:
            mine.save(snapshot)
        assert mine.written == 4
    assert steps(checkpoints(tmp_path)) == steps(checkpoints(tmp_path, host="algo-10")) == [4, 3]
    assert len(list(tmp_path.iterdir())) == 4


def test_equal_snapshots_give_equal_bytes(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    files = []
    for name in "a", "b":
        (tmp_path / name).mkdir()
        checkpoints(tmp_path / name).save(snapshots[0])
        (path,) = (tmp_path / name).iterdir()
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_without_the_folder_nothing_is_written(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    nowhere = checkpoints(tmp_path / "none")
    assert not nowhere.enabled
    assert not nowhere.due()
    nowhere.save(snapshots[0])
    assert steps(nowhere) == []
    assert not (tmp_path / "none").exists()


def test_they_are_due_when_the_interval_is_over(tmp_path: Path) -> None:
    assert checkpoints(tmp_path, interval=0).due()
    assert not checkpoints(tmp_path, interval=3600).due()


@pytest.mark.parametrize("place", ["magic", "digest", "head", "middle", "end"])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_one_is_skipped_with_a_warning(
    tmp_path: Path, snapshots: list[RunSnapshot], place: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    mine = checkpoints(tmp_path)
    for snapshot in snapshots[:2]:
        mine.save(snapshot)
    newest = max(tmp_path.iterdir())
    content = bytearray(newest.read_bytes())
    at = {"magic": 3, "digest": len(MAGIC) + 5, "head": 60, "middle": len(content) // 2, "end": len(content) - 1}[place]
    if damage == "flip":
        content[at] ^= 1
    else:
        del content[at:]
    newest.write_bytes(content)
    logging.getLogger("kmeans").propagate = True
    with caplog.at_level("WARNING", "kmeans"):
        assert steps(mine) == [1]
    logging.getLogger("kmeans").propagate = False
    assert f"Skipping checkpoint {newest.name}: " in caplog.text


def test_one_of_another_job_is_skipped(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    checkpoints(tmp_path).save(snapshots[0])
    assert steps(checkpoints(tmp_path, OTHER)) == []
    assert steps(checkpoints(tmp_path, hosts=("algo-1", "algo-2"))) == []
    with pytest.raises(CheckpointError, match="it is of another job: k was 3, is 4"):
        checkpoints(tmp_path, OTHER).load(1)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    """Right checksums alone are no reason to trust: labels are indices."""
    mine = checkpoints(tmp_path)
    changes: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "reservoir_labels": lambda array: array + 1000,
        "reservoir_keys": lambda array: array[1:],
        "weights": lambda array: array[1:],
        "spreads": lambda array: -1.0 - array,
        "shift": lambda array: array[1:],
    }
    for name, change in changes.items():
        arrays = arrays_of(snapshots[0])
        arrays[name] = change(arrays[name])
        mine.save(snapshot_of(RunSnapshot, arrays, facts_of(snapshots[0])))
        with pytest.raises(CheckpointError, match="expected"):
            mine.load(1)


def test_other_files_are_left_alone(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    for name in ("notes.txt", "checkpoint-algo-1-x", "checkpoint-algo-1-000000000009.sagemaker-ignore"):
        (tmp_path / name).write_text("?")
    mine = checkpoints(tmp_path)
    for snapshot in snapshots[:3]:
        mine.save(snapshot)
    assert steps(mine) == [3, 2]
    assert len(list(tmp_path.iterdir())) == 5


def test_what_another_job_has_left_neither_goes_nor_is_in_the_way(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    """Its steps may be higher than ours will ever be."""
    other = checkpoints(tmp_path, OTHER)
    for snapshot in snapshots[4:6]:
        other.save(snapshot)
    mine = checkpoints(tmp_path)
    assert steps(mine) == []
    for snapshot in snapshots[:3]:
        mine.save(snapshot)
    assert steps(checkpoints(tmp_path)) == [3, 2]
    assert steps(checkpoints(tmp_path, OTHER)) == [6, 5]


def test_many_checkpoints_of_other_jobs_are_not_read(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    other = checkpoints(tmp_path, OTHER)
    other.save(snapshots[4])
    (path,) = tmp_path.iterdir()
    # The checksum is wrong, which only a whole reading would find.
    content = bytearray(path.read_bytes())
    content[len(MAGIC)] ^= 1
    for step in range(100, 300):
        (tmp_path / f"checkpoint-algo-1-{step:012d}").write_bytes(content)
    mine = checkpoints(tmp_path)
    mine.save(snapshots[0])
    with pytest.raises(CheckpointError, match="it is of another job: k was"):
        mine.load(200)
    assert steps(checkpoints(tmp_path)) == [1]


def test_a_job_on_other_data_is_another_job(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a").write_bytes(b"12")
    found = [inventory(tmp_path / "train")]
    (tmp_path / "train/a").write_bytes(b"123")
    found.append(inventory(tmp_path / "train"))
    (tmp_path / "train/a").rename(tmp_path / "train/b")
    found.append(inventory(tmp_path / "train"))
    assert [each[:-8] for each in found] == ["1 files, 2 bytes, ", "1 files, 3 bytes, ", "1 files, 3 bytes, "]
    before, *after = (Checkpoints(tmp_path, "algo-1", HOSTS, SETTINGS, 0, rows={"data": data}) for data in found)
    before.save(snapshots[0])
    assert steps(before) == [1]
    for each in after:
        assert steps(each) == []


def test_a_resumed_job_keeps_two_of_all_its_checkpoints(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    mine = checkpoints(tmp_path)
    for snapshot in snapshots[:2]:
        mine.save(snapshot)
    again = checkpoints(tmp_path)
    assert steps(again) == [2, 1]
    again.save(snapshots[2])
    assert steps(again) == [3, 2]


def test_hosts_resume_from_the_step_that_all_have_written_if_one_has_no_room_for_more(
    tmp_path: Path, snapshots: list[RunSnapshot]
) -> None:
    def write(host: Communicator) -> list[int]:
        mine = checkpoints(tmp_path, host=f"algo-{host.rank}")
        save = saving(mine, host, Events())
        for number, snapshot in enumerate(snapshots[:5]):
            if number == 2 and host.rank == 1:
                # What comes from here on finds a folder where its file should go.
                for step in range(3, 6):
                    (tmp_path / f"checkpoint-algo-1-{step:012d}.sagemaker-ignore").mkdir()
            save(snapshot)
        return steps(checkpoints(tmp_path, host=f"algo-{host.rank}"))

    first, second = run_hosts(2, write)
    assert first == [2]
    assert second == [2, 1]


def test_checkpoints_are_off_when_a_host_has_no_folder_for_them(tmp_path: Path, snapshots: list[RunSnapshot]) -> None:
    (tmp_path / "0").mkdir()

    def write(host: Communicator) -> None:
        saving(checkpoints(tmp_path / f"{host.rank}"), host, Events())(snapshots[0])

    run_hosts(2, write)
    assert list((tmp_path / "0").iterdir()) == []
