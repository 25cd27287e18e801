"""Requests made up from the document that the server ships: whatever comes, it answers as the document says."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from container.artifacts.model import Model, save
from container.serving import app as application
from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import Settings
from tests.container.serving.conftest import CENTERS

DOCUMENT = json.loads(Path(application.__file__).with_name("openapi.json").read_text())


def loaded(app: Flask) -> Any:
    """Load the document from the application, less the routes that it has not."""
    served = {rule.rule.replace("<name>", "{name}") for rule in app.url_map.iter_rules()}
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    return schema.include(path=[path for path in DOCUMENT["paths"] if path in served])


@pytest.fixture(scope="module")
def one_model(base: Path) -> Any:
    return loaded(create_app(ServedModel(base / "model"), Settings()))


@pytest.fixture(scope="module")
def many_models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("models")
    save(folder / "a" / "model", "algo-1", Model(CENTERS))
    (folder / "shared").mkdir()
    registry = Registry(folder / "shared", folder, 1 << 20)
    registry.load("a", str(folder / "a" / "model"))
    return loaded(create_multi_model_app(registry, Settings()))


one = schemathesis.pytest.from_fixture("one_model")
many = schemathesis.pytest.from_fixture("many_models")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
few = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@one.parametrize()
@few
def test_any_request_for_one_model_is_answered_as_documented(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


@many.parametrize()
@few
def test_any_request_for_many_models_is_answered_as_documented(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


def test_every_route_is_documented() -> None:
    apps = [
        create_app(ServedModel(Path("/nowhere")), Settings()),
        create_multi_model_app(Registry(Path("/nowhere"), Path("/nowhere"), 0), Settings()),
    ]
    rules = {rule for app in apps for rule in app.url_map.iter_rules()}
    routes = {
        (rule.rule.replace("<name>", "{name}"), method.lower())
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"}
    assert documented == routes | {("/metrics", "get")}
