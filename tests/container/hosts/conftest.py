"""Data of the jobs, and what feeds their pipes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits() -> NDArray[np.float32]:
    return np.ascontiguousarray(load_digits().data, np.float32)


@pytest.fixture
def feed() -> Iterator[Callable[[Path, list[bytes]], None]]:
    """Return a function that feeds the pipes of a train channel from a separate process."""
    fed: list[int] = []

    def start(folder: Path, passes: list[bytes]) -> None:
        pid = os.fork()
        if pid:
            fed.append(pid)
            return
        for number, content in enumerate(passes):
            fifo = folder / f"train_{number}"
            os.mkfifo(fifo)
            fifo.write_bytes(content)
        os._exit(0)

    yield start
    for pid in fed:
        _, status = os.waitpid(pid, 0)
        assert status == 0
