"""What `KMeansPredictor` is on both versions of the SDK: answers of an endpoint as arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagemaker_kmeans.answers import arrays
from sagemaker_kmeans.records import CONTENT_TYPE, request_parts


class ArrayPredictor:
    """Asks an endpoint for arrays.

    Attributes
    ----------
    endpoint_name : str
        The endpoint.
    sagemaker_session : Session
        Where it is.
    """

    endpoint_name: str
    sagemaker_session: Any

    def predict_arrays(self, rows: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the closest cluster of each row, and the distance to it, as arrays.

        Parameters
        ----------
        rows : array-like of numbers or SciPy sparse matrix, shape (n, d) or (d,)
            Any number of rows: they are sent in requests that an endpoint takes.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            Closest clusters.
        distances : ndarray of float32, shape (n,)
            Euclidean distances to them.
        """
        return arrays(self._answers(rows))

    def _answers(self, rows: Any) -> Iterator[bytes]:
        for body in request_parts(rows):
            answer = self.sagemaker_session.sagemaker_runtime_client.invoke_endpoint(
                EndpointName=self.endpoint_name, ContentType=CONTENT_TYPE, Accept=CONTENT_TYPE, Body=body
            )
            yield answer["Body"].read()
