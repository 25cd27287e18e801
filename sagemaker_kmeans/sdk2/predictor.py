"""The predictor on version 2 of the SDK."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sagemaker.amazon import kmeans as sdk
from sagemaker.serializers import RecordSerializer

from sagemaker_kmeans.answers import arrays
from sagemaker_kmeans.records import CONTENT_TYPE, request_parts


class KMeansPredictor(sdk.KMeansPredictor):
    """Asks an endpoint for the closest cluster of rows; the SDK's class, which takes more kinds of rows.

    Parameters
    ----------
    endpoint_name : str
        The endpoint.
    sagemaker_session : sagemaker.session.Session or None
        None for one of the default AWS configuration.
    **kwargs : Any
        As `sagemaker.KMeansPredictor` takes them: `serializer`, `deserializer`, `component_name`.
    """

    def predict(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the endpoint answers: a Record for each row, with `closest_cluster` and `distance_to_cluster`.

        Parameters
        ----------
        data : array-like of numbers, shape (n, d) or (d,)
            With a serializer other than the default one, what that takes.
        *args, **kwargs : Any
            As `sagemaker.predictor.Predictor.predict` takes them.

        Returns
        -------
        list of Record
            In the order of the rows; with another deserializer, what that returns.
        """
        if isinstance(self.serializer, RecordSerializer):
            array = data.toarray() if hasattr(data, "toarray") else np.asarray(data)
            # The SDK's serializer takes no other numbers.
            known = array.dtype in (np.float32, np.float64, np.int64)
            data = array if known else array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
        return super().predict(data, *args, **kwargs)

    def predict_arrays(self, rows: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the closest cluster of each row, and the distance to it, as arrays.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d)
            Any number of rows: they are sent in requests that an endpoint takes.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            Closest clusters.
        distances : ndarray of float32, shape (n,)
            Euclidean distances to them.
        """
        session = self.sagemaker_session
        answers = (
            session.sagemaker_runtime_client.invoke_endpoint(
                EndpointName=self.endpoint_name,
                ContentType=CONTENT_TYPE,
                Accept=CONTENT_TYPE,
                Body=body,
            )
            for body in request_parts(rows)
        )
        return arrays(answer["Body"].read() for answer in answers)
