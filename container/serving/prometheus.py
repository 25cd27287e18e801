"""The metrics of `GET /metrics`, in Prometheus' text format, summed over all workers.

Import this module only if metrics are enabled, and once ``PROMETHEUS_MULTIPROC_DIR`` names a folder that the workers
share: the client library reads the variable when it is imported.
"""

import time

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from container.serving.inference import FAULT, MODEL, ROWS

_BEGAN = "kmeans.began"
# From a single row to 100 MB.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_REQUESTS = Counter("kmeans_requests", "Requests answered.", ("route", "method", "status", "model"))
_LATENCY = Histogram(
    "kmeans_request_seconds", "Time from a request's head to its answer.", ("route",), buckets=_SECONDS
)
_ROWS = Counter("kmeans_rows", "Rows answered.", ("model",))
_ERRORS = Counter("kmeans_errors", "Requests refused or failed, by the class of the error.", ("error",))


def add_to(app: Flask) -> None:
    """Measure every request of an application, and add the route of the metrics."""

    @app.before_request
    def begin() -> None:
        request.environ[_BEGAN] = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        # The rule, not the path: an invented path must not create a time series.
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.url_rule else "none"
        model = request.environ.get(MODEL, "")
        _REQUESTS.labels(route, method, str(response.status_code), model).inc()
        _LATENCY.labels(route).observe(time.perf_counter() - request.environ[_BEGAN])
        if ROWS in request.environ:
            _ROWS.labels(model).inc(request.environ[ROWS])
        if FAULT in request.environ:
            _ERRORS.labels(request.environ[FAULT]).inc()
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
