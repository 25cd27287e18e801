"""What all fuzzes share: a process to fork from, and a job that ended well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.fuzz.fork_server import ForkServer
from tests.container.fuzz.trees import earlier_job


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer() as found:
        yield found


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory, server: ForkServer) -> Path:
    return earlier_job(tmp_path_factory.mktemp("earlier") / "tree", server)
