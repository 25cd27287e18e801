"""The sample of a job, in whatever form its output comes."""

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from container.artifacts import kept_sample
from container.artifacts.model import ModelError
from container.artifacts.state import dumps
from kmeans.sample import Sample
from kmeans.state import State
from tests.container.artifacts.test_state import STATE

DATA = dumps(STATE)
WITHOUT = dumps(State(STATE.centers, STATE.weights, STATE.shift, Sample.empty(2)))


def pack(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "state.npz"
            tar.addfile(info, io.BytesIO(content))
    return path


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def check(path: Path) -> None:
    found = kept_sample.find(path)
    assert found is not None
    np.testing.assert_array_equal(found[0].sample.rows, STATE.sample.rows, strict=True)


def test_it_is_found_in_every_form(tmp_path: Path) -> None:
    check(put(tmp_path / "a/any name", DATA))
    others = [("data/report.html", b"<html>"), ("data/assignments/algo-1/a.csv", b"1,2\n" * 1000)]
    check(pack(tmp_path / "b/output.tar.gz", *others, ("data/state.npz", DATA)))
    check(pack(tmp_path / "c/any name", ("./state.npz", DATA), ("report.html", b"<html>")))
    put(tmp_path / "d/data/state.npz", DATA)
    put(tmp_path / "e/state.npz", DATA)
    for folder in ("b", "d", "d/data", "e"):
        check(tmp_path / folder)


def test_where_there_is_none(tmp_path: Path) -> None:
    assert kept_sample.find(tmp_path) is None
    put(tmp_path / "state.npz", WITHOUT)
    assert kept_sample.find(tmp_path) is None
    assert kept_sample.find(tmp_path / "state.npz") is None


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], "expected one file named state.npz, got 0"),
        ([("other/state.npz", DATA)], "expected one file named state.npz, got 0"),
        ([("state.npz", DATA), ("data/state.npz", DATA)], "expected one file named state.npz, got 2"),
        ([("state.npz", DATA), ("state.npz", DATA)], "expected each name once, got 'state.npz' twice"),
        ([("../state.npz", DATA)], "expected a gzip-compressed tarball, got one that cannot be read"),
        ([("state.npz", DATA[:-50])], "state.npz: expected an archive of centers, weights, shift, got one that"),
    ],
)
def test_tarballs_that_are_refused(tmp_path: Path, members: Iterable[tuple[str, bytes]], expected: str) -> None:
    path = pack(tmp_path / "output.tar.gz", *members)
    for place in (path, tmp_path):
        with pytest.raises(ModelError) as caught:
            kept_sample.find(place)
        assert str(caught.value).startswith(f"{path}: {expected}")


def test_links_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "output.tar.gz", ("data/state.npz", b""), kind=tarfile.SYMTYPE)
    with pytest.raises(ModelError, match="expected plain files and folders, got a link"):
        kept_sample.find(path)
    os.mkfifo(tmp_path / "state.npz")
    with pytest.raises(ModelError, match=r"state\.npz: expected a regular file, got a FIFO"):
        kept_sample.find(tmp_path)
    with pytest.raises(ModelError, match="expected a model, got No such file"):
        kept_sample.find(tmp_path / "nowhere")


def test_more_members_than_a_model_has_and_not_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(f"assignments/{number}.csv", b"") for number in range(1200)]
    path = pack(tmp_path / "output.tar.gz", *many, ("state.npz", DATA))
    check(path)
    monkeypatch.setattr(kept_sample, "MAX_MEMBERS", 1200)
    with pytest.raises(ModelError, match="expected at most 1200 members, got more"):
        kept_sample.find(path)
