"""The predictor on version 2 of the SDK."""

from typing import Any

import numpy as np
from sagemaker.amazon import kmeans as sdk
from sagemaker.serializers import RecordSerializer

from sagemaker_kmeans.predictor import ArrayPredictor
from sagemaker_kmeans.records import checked


class KMeansPredictor(ArrayPredictor, sdk.KMeansPredictor):
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
            # The SDK's serializer takes fewer kinds of numbers.
            data, _ = checked(np.atleast_2d(data.toarray() if hasattr(data, "toarray") else data))
        return super().predict(data, *args, **kwargs)
