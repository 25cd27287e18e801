"""Where a file is expected, nothing else is opened: a FIFO would wait for ever."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from container import convert
from container.artifacts import mxnet_ndarray, tarball
from container.artifacts.model import ModelError, load, load_state
from container.configuration.files import Paths
from container.configuration.files import load as load_configuration
from container.errors import CustomerError, PlatformError
from container.files.regular import NotRegularFileError, open_regular
from container.hosts.agreement import _digest


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


KINDS: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/null"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_anything_else_is_refused_by_its_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    KINDS[kind](path)
    link = tmp_path / "link"
    link.symlink_to(path)
    for name in path, link:
        with pytest.raises(NotRegularFileError) as error:
            open_regular(name)
        assert str(error.value) == f"{name}: expected a regular file, got {kind}"


def test_a_file_is_read_through_a_link_too(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "link").symlink_to("f")
    for name in "f", "link":
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
            assert os.get_blocking(file.fileno())
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_what_takes_the_name_between_a_look_and_the_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.touch()

    def opened(name: str, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return really_open(name, flags)

    really_open = os.open
    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(NotRegularFileError, match="got a FIFO"):
        open_regular(path)


@pytest.mark.parametrize("name", ["model_algo-1", "model.tar.gz"])
def test_a_model(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    for given in tmp_path, path:
        with pytest.raises(ModelError) as error:
            load(given)
        assert str(error.value) == f"{path}: expected a regular file, got a FIFO"


def test_the_state_of_a_model(tmp_path: Path) -> None:
    mxnet_ndarray.write(tmp_path / "model_algo-1", np.ones((1, 1), np.float32))
    os.mkfifo(tmp_path / "state.npz")
    assert load(tmp_path).centers.shape == (1, 1)
    with pytest.raises(ModelError, match="expected a regular file, got a FIFO"):
        load_state(tmp_path)


def test_a_tarball(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.tar.gz")
    with pytest.raises(NotRegularFileError):
        tarball.read(tmp_path / "model.tar.gz", lambda _: True, 1 << 20)


@pytest.mark.parametrize("name", ["hyperparameters.json", "inputdataconfig.json", "resourceconfig.json"])
def test_the_configuration_of_a_job(tmp_path: Path, name: str) -> None:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text('{"k": "2", "feature_dim": "1"}')
    (config / "inputdataconfig.json").write_text('{"train": {}}')
    (config / name).unlink(missing_ok=True)
    os.mkfifo(config / name)
    with pytest.raises((CustomerError, PlatformError)) as error:
        load_configuration(Paths(tmp_path))
    assert error.value.message == f"{config / name}: expected a regular file, got a FIFO"


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz", ".parquet", ".pbr"])
def test_the_source_of_a_conversion(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / f"rows{suffix}"
    os.mkfifo(source)
    assert convert.main([str(source), str(tmp_path / "out")]) == CustomerError.exit_code
    assert capsys.readouterr().err == f"{source}: expected a regular file, got a FIFO\n"
    assert not (tmp_path / "out").exists()


def test_the_earlier_model_that_hosts_compare(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model_algo-1")
    assert len(_digest(tmp_path)) == 64
