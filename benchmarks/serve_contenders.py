"""Simple alternatives to `serve`, to compare it with."""

import io
from pathlib import Path

import numpy as np
from flask import Flask, Response, request

from container.artifacts.model import load
from container.formats.recordio.records import decode


def bare() -> Flask:
    """Return an application that reads the body and answers "ok": the time of Flask and gunicorn alone."""
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/ping", view_func=lambda: Response(status=200))

    @app.post("/invocations")
    def invocations() -> Response:
        request.get_data()
        return Response("ok")

    return app


def sklearn(base: str) -> Flask:
    """Return an application around scikit-learn's KMeans, with numpy.loadtxt and the protobuf library as decoders."""
    from sklearn.cluster import KMeans

    centers = load(Path(base) / "model").centers
    model = KMeans(len(centers), init=centers, n_init=1, max_iter=1).fit(centers)
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/ping", view_func=lambda: Response(status=200))

    @app.post("/invocations")
    def invocations() -> Response:
        body = request.get_data()
        match request.content_type:
            case "text/csv":
                rows = np.loadtxt(io.BytesIO(body), np.float32, delimiter=",", ndmin=2)
            case "application/json":
                rows = np.array([one["features"] for one in request.get_json()["instances"]], np.float32)
            case _:
                rows, _ = decode(body, centers.shape[1])
        labels, distances = model.predict(rows), model.transform(rows).min(axis=1)
        pairs = zip(labels.tolist(), distances.tolist(), strict=True)
        if request.content_type == "application/json":
            predictions = [{"closest_cluster": label, "distance_to_cluster": distance} for label, distance in pairs]
            return Response(app.json.dumps({"predictions": predictions}), content_type="application/json")
        return Response("".join(f"{label},{distance}\n" for label, distance in pairs), content_type="text/csv")

    return app
