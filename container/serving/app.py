"""The routes, and what each kind of error is answered by."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from container.formats.errors import FormatError
from container.logs import LOGGER
from container.resources import cpu_count
from container.serving import negotiation
from container.serving.body import read_body
from container.serving.codecs.codec import Instances, Predictions
from container.serving.model import ModelUnavailableError, ServedModel
from kmeans.prediction import Predictor

# What the service itself takes where nothing else is said.
_BATCH_PAYLOAD_MB = 6


def create_app(model: ServedModel, max_payload_bytes: int) -> Flask:
    """Make the application.

    Parameters
    ----------
    model : ServedModel
        What answers.
    max_payload_bytes : int
        Longer requests are refused.

    Returns
    -------
    Flask
        With the routes of SageMaker's contract for containers.
    """
    app = Flask(__name__, static_folder=None)

    @app.get("/ping")
    def ping() -> Response:
        model.predictor()
        return Response(status=200)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        parameters = {
            "MaxConcurrentTransforms": cpu_count(),
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": _BATCH_PAYLOAD_MB,
        }
        return Response(json.dumps(parameters), content_type="application/json")

    @app.post("/invocations")
    def invocations() -> Response:
        predictor = model.predictor()
        reader = negotiation.request_codec(request.headers.get("Content-Type", ""))
        writer = negotiation.response_codec(request.headers.get("Accept", ""))
        predictions = _predict(predictor, reader.decode(read_body(request, max_payload_bytes), predictor.feature_dim))
        return Response(writer.encode(predictions), content_type=writer.MEDIA_TYPE)

    for kind, respond in _RESPONSES.items():
        app.register_error_handler(kind, respond)
    return app


def _predict(predictor: Predictor, instances: Instances) -> Predictions:
    if not len(instances.rows):
        raise FormatError("expected at least one record, got none")
    labels, distances = predictor.predict(instances.rows)
    finite = np.isfinite(distances)
    if not finite.all():
        raise FormatError(
            "expected a row whose distance to the closest cluster is in the range of float32, got one farther away",
            record=int(finite.argmin()) + 1,
        )
    return Predictions(labels, distances, instances.identities)


def _refuse_body(error: FormatError) -> Response:
    assumed = ""
    if not request.headers.get("Content-Type"):
        assumed = f" (without a Content-Type it was read as {negotiation.DEFAULT_CONTENT_TYPE})"
    return _sentence(400, f"unable to evaluate payload provided: {error}{assumed}")


def _unavailable(error: ModelUnavailableError) -> Response:
    return _sentence(503, str(error))


def _http(error: HTTPException) -> Response:
    refusal = _sentence(error.code or 500, error.description or error.name)
    # Headers that belong to a status, as Allow does to 405.
    refusal.headers.extend(header for header in error.get_headers() if header[0] != "Content-Type")
    return refusal


def _bug(_: Exception) -> Response:
    LOGGER.exception("%s %s failed", request.method, request.path)
    return Response("internal server error\n", status=500, content_type="text/plain; charset=utf-8")


# Flask looks an exception up by its class and then by that class's bases.
_RESPONSES: dict[type[Exception], Callable[[Any], Response]] = {
    FormatError: _refuse_body,
    ModelUnavailableError: _unavailable,
    HTTPException: _http,
    Exception: _bug,
}


def _sentence(status: int, text: str) -> Response:
    LOGGER.warning("%s %s: %d %s", request.method, request.path, status, text)
    return Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
