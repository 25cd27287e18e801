"""Requests made up from the document that the server ships: whatever comes, it answers as the document says."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from container.artifacts.model import SavedModel, save
from container.serving import app as application
from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import ServingSettings
from tools.load import CENTERS

DOCUMENT = json.loads(Path(application.__file__).with_name("openapi.json").read_text())


OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"]
MANY = [(path, method) for path, method in OPERATIONS if path.startswith("/models")]
ONE = [operation for operation in OPERATIONS if operation not in MANY and operation != ("/metrics", "get")]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def one_model(base: Path) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", create_app(ServedModel(base / "model"), ServingSettings()))


@pytest.fixture(scope="module")
def many_models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("models")
    save(folder / "a" / "model", "algo-1", SavedModel(CENTERS))
    (folder / "shared").mkdir()
    registry = Registry(folder / "shared", folder, 1 << 20)
    registry.load("a", str(folder / "a" / "model"))
    return schemathesis.openapi.from_wsgi("/openapi.json", create_multi_model_app(registry, ServingSettings()))


def check(schema: Any, path: str, method: str, **parameters: str) -> None:
    """Send requests that the document allows, and such that it does not."""

    def answered_as_documented(case: Any) -> None:
        case.path_parameters.update(parameters)
        case.call_and_validate(checks=CHECKS)

    for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
        with contextlib.suppress(Unsatisfiable):
            cases = schema[path][method].as_strategy(generation_mode=mode)
            few = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
            few(given(case=cases)(answered_as_documented))()


@pytest.mark.parametrize(("path", "method"), ONE)
def test_any_request_for_one_model_is_answered_as_documented(one_model: Any, path: str, method: str) -> None:
    check(one_model, path, method)


@pytest.mark.parametrize(("path", "method"), MANY)
def test_any_request_for_many_models_is_answered_as_documented(many_models: Any, path: str, method: str) -> None:
    check(many_models, path, method)
    if path.endswith("/invoke"):
        check(many_models, path, method, name="a")


def test_every_route_is_documented(tmp_path: Path) -> None:
    apps = [
        create_app(ServedModel(Path("/nowhere")), ServingSettings()),
        create_multi_model_app(Registry(tmp_path, Path("/nowhere"), 0), ServingSettings()),
    ]
    rules = [rule for app in apps for rule in app.url_map.iter_rules()]
    routes = {
        (rule.rule.replace("<name>", "{name}"), method.lower())
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(OPERATIONS) == routes | {("/metrics", "get")}
