"""Answer the body of a request, block by block."""

import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge

from container.formats.errors import FormatError, located
from container.serving import negotiation
from container.serving.body import blocks
from container.serving.codecs import csv_header
from container.serving.codecs.codec import Codec, Instances, Predictions
from container.serving.errors import ModelUnavailableError
from container.serving.outputs import answers, missing_for, row_step
from container.serving.predictor import ModelPredictor
from container.serving.settings import ServingSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Keys of the WSGI environment for the number of rows of a request, its model, and the class of its error.
ROWS: Final = "kmeans.rows"
MODEL: Final = "kmeans.model"
FAULT: Final = "kmeans.fault"
# What is too large, by output.
_FAR: Final = {
    "distance_to_cluster": "distance to the closest cluster",
    "normalized_distance": "normalized distance to the closest cluster",
}
# A body of at most this many bytes is answered at once, in a millisecond or two.
_SHORT_BYTES = 1 << 16


class Inference:
    """Answers requests.

    Parameters
    ----------
    settings : ServingSettings
        The outputs of an answer, and the limits of a request.

    Notes
    -----
    The threads of a worker are for waiting for clients, not for computing: long requests take turns, block by block, so
    that short ones and ``/ping`` are answered at once. A request gives up its turn while it waits for its client.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self._settings = settings
        self._turn = threading.Lock()

    def check(self, predictor: ModelPredictor) -> ModelPredictor:
        """Return a model; raise ModelUnavailableError if it lacks what is needed for the outputs."""
        if missing := missing_for(predictor, self._settings.outputs):
            raise ModelUnavailableError(missing)
        return predictor

    def respond(self, environ: "WSGIEnvironment", predictor: ModelPredictor) -> Response:
        """Answer a request, and store the number of its rows in `environ` under `ROWS`.

        Parameters
        ----------
        environ : dict
            The WSGI environment of the request.
        predictor : ModelPredictor
            The model.

        Returns
        -------
        Response
            The answer, in the content type that the client prefers.

        Raises
        ------
        FormatError
            If the body cannot be read, if a row is too far from a cluster that the answer names, or if it has no
            direction to compare.
        ModelUnavailableError
            If the model lacks what is needed for the outputs.
        HTTPException
            If the content type of the request, or of the answer, is not supported, or the body is refused.
        """
        self.check(predictor)
        reader = negotiation.request_codec(environ.get("CONTENT_TYPE", ""))
        writer = negotiation.response_codec(environ.get("HTTP_ACCEPT", ""), self._settings.default_accept)
        body = blocks(environ, self._settings.max_payload_bytes)
        first = next(body, b"")
        if len(first) <= _SHORT_BYTES:
            parts, environ[ROWS] = self._answer([first], reader, writer, predictor)
        else:
            with self._turn:
                parts, environ[ROWS] = self._answer(self._taking_turns(first, body), reader, writer, predictor)
        headers = {"Content-Type": writer.MEDIA_TYPE, "Content-Length": str(sum(map(len, parts)))}
        return Response(parts, headers=headers)

    def _answer(
        self, body: Iterable[bytes], reader: Codec, writer: Codec, predictor: ModelPredictor
    ) -> tuple[list[bytes], int]:
        rows = waiting = answered = 0

        def counted() -> Iterator[bytes]:
            nonlocal waiting
            for part in body:
                waiting += len(part)
                self._check_held(waiting + answered)
                yield part

        def predictions() -> Iterator[Predictions]:
            nonlocal rows, waiting
            received = counted()
            if reader is csv_header:
                received = csv_header.checked(received, predictor.feature_names)
            for block in reader.decode(received, predictor.feature_dim, predictor.dtype, gaps=predictor.gaps):
                waiting = 0
                yield from self._predictions(block, rows, predictor)
                rows += len(block.rows)

        # The answer starts only once the last row has been read without an error.
        parts = []
        for part in writer.encode(predictions()):
            parts.append(part)
            answered += len(part)
            self._check_held(waiting + answered)
        if not rows:
            raise FormatError("expected at least one record, got none")
        return parts, rows

    def _check_held(self, size: int) -> None:
        most = self._settings.max_held_bytes
        if most is not None and size > most:
            raise RequestEntityTooLarge(
                f"expected an answer, and a record or JSON document, of at most {most} bytes, got more"
            )

    def _predictions(self, block: Instances, before: int, predictor: ModelPredictor) -> Iterator[Predictions]:
        outputs, top_n, contamination = self._settings.outputs, self._settings.top_n, self._settings.contamination
        step = row_step(predictor, outputs)
        for start in range(0, len(block.rows), step):
            part = slice(start, start + step)
            with located(renumber=partial(int.__add__, before + start)):
                columns = answers(predictor, block.rows[part], outputs, top_n, contamination)
            for name, values in columns.items():
                # Distances are never NaN; labels are not floats.
                if values.dtype == np.float32 and values.max() == np.inf:
                    far = np.isfinite(values.reshape(len(values), -1)).all(axis=1).argmin()
                    what = _FAR.get(name, "distance to the clusters it is answered with")
                    raise FormatError(
                        f"expected a row whose {what} is in the range of float32, got one farther away",
                        record=before + start + int(far) + 1,
                    )
            yield Predictions(columns, None if block.identities is None else block.identities.part(part))

    def _taking_turns(self, first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
        yield first
        while True:
            self._turn.release()
            try:
                block = next(others, None)
            finally:
                self._turn.acquire()
            if block is None:
                return
            yield block
