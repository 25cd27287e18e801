"""Endpoints of a model that a job has left, to be asked in this process."""

from pathlib import Path

from flask.testing import FlaskClient

from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import ServingSettings


def endpoints(base: Path, folder: Path) -> list[tuple[FlaskClient, str]]:
    """Return clients of an endpoint of the job's model and of a multi-model endpoint, and the paths to ask.

    Parameters
    ----------
    base : Path
        The root of the job's tree.
    folder : Path
        Where workers of the multi-model endpoint share their models; another worker than the one asked loads it.
    """
    alone = create_app(ServedModel(base / "model"), ServingSettings()).test_client()
    loading, other = (Registry(folder, base, 1 << 30) for _ in range(2))
    loading.load("a", str(base / "model"))
    many = create_multi_model_app(other, ServingSettings()).test_client()
    return [(alone, "/invocations"), (many, "/models/a/invoke")]
