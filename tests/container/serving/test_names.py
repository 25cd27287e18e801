"""Names in requests: a header that has the model's features in other columns is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container.artifacts.description import describe
from container.artifacts.model import SavedModel, save
from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import ServingSettings

CENTERS = np.array([[0, 0, 0], [1, 2, 5]], np.float32)
TYPE = "text/csv;header=present"
ROWS = b"1,2,5\n"
MOVED = "line 1: expected 'age' in column 0, as in the model, not in 1"


def saved(folder: Path, **facts: Any) -> Path:
    given = describe(CENTERS, hyperparameters={}, seed=0, cluster_sizes=[1, 1], msd=0.0, **facts)
    save(folder / "model", "algo-1", SavedModel(CENTERS, given))
    return folder / "model"


def ask(client: Any, body: bytes, url: str = "/invocations") -> tuple[int, str]:
    answer = client.post(url, data=body, headers={"Content-Type": TYPE, "Accept": "text/csv"})
    return answer.status_code, answer.data.decode()


@pytest.mark.parametrize(
    "header",
    [
        b"age,income,visits",
        b'\xef\xbb\xbf"age","income",visits\r',
        b"a,b,c",
        b"age,Income,v",
        b"1,2,3",
        b"x" * (5 << 20),
    ],
)
def test_the_models_names_or_others(tmp_path: Path, header: bytes) -> None:
    client = create_app(ServedModel(saved(tmp_path, feature_names=["age", "income", "visits"])), ServingSettings())
    assert ask(client.test_client(), header + b"\n" + ROWS) == (200, "1.0,0.0\n")


@pytest.mark.parametrize("header", [b"id,age,income", b'"id",age,income,visits', b"b" * 200_000 + b",age,c"])
def test_names_in_other_columns(tmp_path: Path, header: bytes) -> None:
    client = create_app(ServedModel(saved(tmp_path, feature_names=["age", "income", "visits"])), ServingSettings())
    status, text = ask(client.test_client(), header + b"\n" + ROWS)
    assert status == 400
    assert MOVED in text


def test_a_model_without_names(tmp_path: Path) -> None:
    client = create_app(ServedModel(saved(tmp_path)), ServingSettings()).test_client()
    assert ask(client, b'visits,age,"\n' + ROWS) == (200, "1.0,0.0\n")


def test_a_model_among_others_keeps_its_names(tmp_path: Path) -> None:
    path = saved(tmp_path, feature_names=["age", "income", "visits"])
    (tmp_path / "shared").mkdir()
    registries = [Registry(tmp_path / "shared", tmp_path, 1 << 30) for _ in range(2)]
    registries[0].load("m", str(path))
    for registry in registries:
        client = create_multi_model_app(registry, ServingSettings()).test_client()
        assert ask(client, b"age,income,visits\n" + ROWS, "/models/m/invoke") == (200, "1.0,0.0\n")
        status, text = ask(client, b"id,age,income\n" + ROWS, "/models/m/invoke")
        assert (status, MOVED in text) == (400, True)
