"""The predictor on version 3 of the SDK."""

from typing import Any

from sagemaker_kmeans.answers import split
from sagemaker_kmeans.predictor import ArrayPredictor
from sagemaker_kmeans.record_message import parsed
from sagemaker_kmeans.sdk3.sessions import default_session


class KMeansPredictor(ArrayPredictor):
    """Asks an endpoint for the closest cluster of rows.

    Parameters
    ----------
    endpoint_name : str
        The endpoint.
    sagemaker_session : Session or None
        None for one of the default AWS configuration.
    """

    def __init__(self, endpoint_name: str, sagemaker_session: Any = None) -> None:
        self.endpoint_name = endpoint_name
        self.sagemaker_session = sagemaker_session or default_session(local=False)

    def predict(self, data: Any) -> list[Any]:
        """Return a Record for each row, with `closest_cluster` and `distance_to_cluster`.

        Parameters
        ----------
        data : array-like of numbers, shape (n, d) or (d,)
            Any number of rows.

        Returns
        -------
        list of Record
            In the order of the rows.
        """
        records: list[Any] = []
        for body in self._answers(data):
            records += parsed(split(body))
        return records

    def delete_endpoint(self, delete_endpoint_config: bool = True) -> None:
        """Delete the endpoint.

        Parameters
        ----------
        delete_endpoint_config : bool
            Whether to delete its configuration, too.
        """
        client = self.sagemaker_session.sagemaker_client
        if delete_endpoint_config:
            config = client.describe_endpoint(EndpointName=self.endpoint_name)["EndpointConfigName"]
            client.delete_endpoint_config(EndpointConfigName=config)
        client.delete_endpoint(EndpointName=self.endpoint_name)

    def delete_model(self) -> None:
        """Delete the models of the endpoint; call it before `delete_endpoint`."""
        client = self.sagemaker_session.sagemaker_client
        name = client.describe_endpoint(EndpointName=self.endpoint_name)["EndpointConfigName"]
        for variant in client.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]:
            client.delete_model(ModelName=variant["ModelName"])
