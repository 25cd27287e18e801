"""The routes of a multi-model endpoint: requests load, list, invoke and unload models."""

import json
from typing import Any

from flask import Blueprint, Response, request

from container.files import json_object
from container.serving.body import blocks
from container.serving.errors import RegistryError
from container.serving.inference import MODEL, Inference
from container.serving.registry import Registry, check_name
from container.serving.shared_models import Entry

_MAX_LOAD_BYTES = 1 << 14
_PAGE = 100


def blueprint(registry: Registry, inference: Inference) -> Blueprint:
    """Return the routes.

    Parameters
    ----------
    registry : Registry
        The models of all workers.
    inference : Inference
        Answers requests with one of them.

    Returns
    -------
    Blueprint
        To be registered in an application.
    """
    routes = Blueprint("models", __name__)

    @routes.get("/ping")
    def ping() -> Response:
        registry.sweep()
        return Response(status=200)

    @routes.post("/models")
    def load() -> Response:
        given = _object()
        registry.load(check_name(given.get("model_name")), _text(given, "url"))
        return Response(status=200)

    @routes.get("/models")
    def models() -> Response:
        entries = registry.entries()
        after = request.args.get("next_page_token", "")
        rest = [entry for entry in entries if entry.name > after]
        listed: dict[str, Any] = {"models": [_described(entry) for entry in rest[:_PAGE]]}
        if len(rest) > _PAGE:
            listed["nextPageToken"] = rest[_PAGE - 1].name
        return _json(listed)

    @routes.get("/models/<name>")
    def model(name: str) -> Response:
        return _json(_described(registry.entry(name)))

    @routes.delete("/models/<name>")
    def unload(name: str) -> Response:
        registry.unload(name)
        return Response(status=200)

    @routes.post("/models/<name>/invoke")
    def invoke(name: str) -> Response:
        predictor = registry.predictor(name)
        request.environ[MODEL] = name
        return inference.respond(request.environ, predictor)

    return routes


def _object() -> dict[str, Any]:
    """Return the JSON object in the body of a request."""
    body = b"".join(blocks(request.environ, _MAX_LOAD_BYTES))
    try:
        return json_object.parse(body)
    except json_object.JSONObjectError as error:
        raise RegistryError(f'expected {{"model_name": ..., "url": ...}}: {error}') from error


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise RegistryError(f"expected {name} to be a text, got {str(value)[:40]!r}")
    return value


def _described(entry: Entry) -> dict[str, str]:
    return {"modelName": entry.name, "modelUrl": entry.url}


def _json(value: object) -> Response:
    return Response(json.dumps(value), content_type="application/json")
