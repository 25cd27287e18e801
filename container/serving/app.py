"""The routes, and the answer to each class of errors."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge, RequestTimeout

from container.formats.errors import FormatError
from container.logs.logger import LOGGER
from container.resources import cpu_count
from container.serving import multi_model, negotiation
from container.serving.body import discard
from container.serving.errors import ModelUnavailableError, RegistryError
from container.serving.inference import FAULT, Inference
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import MAX_PAYLOAD_MB, ServingSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_OPENAPI = Path(__file__).with_name("openapi.json")


def create_app(model: ServedModel, settings: ServingSettings) -> Flask:
    """Return the application that serves one model.

    Parameters
    ----------
    model : ServedModel
        The model.
    settings : ServingSettings
        The settings from the environment.

    Returns
    -------
    Flask
        The application, with the routes of SageMaker's contract for containers.
    """
    app = _create(settings)
    inference = Inference(settings)

    @app.get("/ping")
    def ping() -> Response:
        inference.check(model.predictor())
        return Response(status=200)

    def answer(environ: "WSGIEnvironment") -> Response:
        return inference.respond(environ, model.predictor())

    @app.post("/invocations")
    def invocations() -> Response:
        return answer(request.environ)

    if not settings.metrics:
        app.shortcut = "/invocations", answer
    return app


def create_multi_model_app(registry: Registry, settings: ServingSettings) -> Flask:
    """Return the application that serves the models of a registry; see `create_app`."""
    app = _create(settings)
    app.register_blueprint(multi_model.blueprint(registry, Inference(settings)))
    return app


class _Application(Flask):
    """Flask with a shortcut for the one request that must be fast: Flask's own steps take as long as its answer.

    Attributes
    ----------
    shortcut : tuple of (str, callable) or None
        A path, and a function that answers POST requests to it from their WSGI environment alone, without Flask's
        contexts and hooks.
    """

    shortcut: "tuple[str, Callable[[WSGIEnvironment], Response]] | None" = None

    def wsgi_app(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        if self.shortcut is None or environ.get("PATH_INFO") != self.shortcut[0] or environ["REQUEST_METHOD"] != "POST":
            return super().wsgi_app(environ, start_response)
        try:
            response = self.shortcut[1](environ)
        except Exception as error:
            with self.request_context(environ):
                response = self.make_response(self.handle_user_exception(error))
        return response(environ, start_response)


def _create(settings: ServingSettings) -> _Application:
    app = _Application(__name__, static_folder=None)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        # All requests in progress together may be as long as a single one at most.
        concurrent = max(1, min(cpu_count(), MAX_PAYLOAD_MB // settings.batch_payload_mb))
        parameters = {
            "MaxConcurrentTransforms": concurrent,
            "BatchStrategy": settings.batch_strategy,
            "MaxPayloadInMB": settings.batch_payload_mb,
        }
        return Response(json.dumps(parameters), content_type="application/json")

    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(_OPENAPI.read_bytes(), content_type="application/json")

    for kind, respond in _RESPONSES.items():
        app.register_error_handler(kind, _noting(respond, settings.max_payload_bytes or MAX_PAYLOAD_MB << 20))
    if settings.metrics:
        from container.serving import prometheus

        prometheus.add_to(app)
    return app


def _noting(respond: Callable[[Any], Response], max_bytes: int) -> Callable[[Exception], Response]:
    """Wrap a handler: note the class of the error for the metrics, and let the client send its whole body first."""

    def responding(error: Exception) -> Response:
        request.environ[FAULT] = type(error).__name__
        # Not of a body that ended early or is too long.
        if not isinstance(error, (BadRequest, RequestTimeout, RequestEntityTooLarge)):
            discard(request.environ, max_bytes)
        return respond(error)

    return responding


def _refuse_body(error: FormatError) -> Response:
    assumed = ""
    if not request.headers.get("Content-Type"):
        assumed = f" (without a Content-Type it was read as {negotiation.DEFAULT_CONTENT_TYPE})"
    return _sentence(400, f"unable to evaluate payload provided: {error}{assumed}")


def _unavailable(error: ModelUnavailableError) -> Response:
    return _sentence(error.status, str(error))


def _registry(error: RegistryError) -> Response:
    return _sentence(error.status, str(error))


def _http(error: HTTPException) -> Response:
    refusal = _sentence(error.code or 500, error.description or error.name)
    # Some headers belong to a status, such as Allow to 405.
    refusal.headers.extend(header for header in error.get_headers() if header[0] != "Content-Type")
    return refusal


def _bug(_: Exception) -> Response:
    LOGGER.exception("%s %s failed", request.method, request.path)
    return Response("internal server error\n", status=500, content_type="text/plain; charset=utf-8")


# Flask looks up the class of an exception, then the bases of the class.
_RESPONSES: dict[type[Exception], Callable[[Any], Response]] = {
    FormatError: _refuse_body,
    ModelUnavailableError: _unavailable,
    RegistryError: _registry,
    HTTPException: _http,
    Exception: _bug,
}


def _sentence(status: int, text: str) -> Response:
    LOGGER.warning("%s %s: %d %s", request.method, request.path, status, text)
    # Names of files need not be text.
    body = f"{text}\n".encode(errors="backslashreplace")
    return Response(body, status=status, content_type="text/plain; charset=utf-8")
