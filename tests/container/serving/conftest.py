"""One small model, and a server of it for all tests that only ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from container.artifacts.model import SavedModel, save
from tools.load import CENTERS
from tools.server_process import ServerProcess, serving


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a tree with a model of three clusters and three features."""
    base = tmp_path_factory.mktemp("ml")
    save(base / "model", "algo-1", SavedModel(CENTERS))
    return base


@pytest.fixture(scope="session")
def server(base: Path) -> Iterator[ServerProcess]:
    with serving(base) as server:
        yield server
