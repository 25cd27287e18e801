"""The model on version 3 of the SDK."""

from pathlib import Path
from typing import Any

from sagemaker.core.common_utils import name_from_base
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant, VpcConfig
from sagemaker.core.transformer import Transformer

from sagemaker_kmeans import image
from sagemaker_kmeans.local_jobs import address
from sagemaker_kmeans.sdk3.predictor import KMeansPredictor
from sagemaker_kmeans.sdk3.sessions import LOCAL_INSTANCE_TYPES, default_session


class KMeansModel:
    """A model of this algorithm or of the built-in one, to be deployed with this image.

    Parameters
    ----------
    model_data : str
        Where its ``model.tar.gz`` is: an ``s3://`` address, or in local mode a ``file://`` address or a path.
    role : str or None
        The role of its endpoints, its name or ARN; None for that of the caller.
    sagemaker_session : Session or None
        None for one that fits the instances: a local one, or one of the default AWS configuration.
    image_uri : str or None
        None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
    env : dict of str to str or None
        The environment of the container.
    name : str or None
        None for one made of the time.
    vpc_config : VpcConfig or None
        The network.
    """

    def __init__(
        self,
        model_data: Any,
        role: str | None = None,
        sagemaker_session: Any = None,
        *,
        image_uri: str | None = None,
        env: dict[str, str] | None = None,
        name: str | None = None,
        vpc_config: VpcConfig | None = None,
    ) -> None:
        self.image_uri = image.resolve(image_uri)
        self.model_data = model_data if "://" in str(model_data) else address(Path(model_data).resolve())
        self.role = role
        self.sagemaker_session = sagemaker_session
        self.env = dict(env or {})
        self.name = name or name_from_base("kmeans")
        self.vpc_config = vpc_config

    def create(self, instance_type: str | None = None) -> None:
        """Create the SageMaker model called `name`.

        Parameters
        ----------
        instance_type : str or None
            What it will run on; ``local`` for local mode.
        """
        session = self._session(instance_type)
        if session.local_mode:
            container = {"Image": self.image_uri, "ModelDataUrl": self.model_data, "Environment": self.env}
            session.sagemaker_client.create_model(self.name, container)
            return
        container = ContainerDefinition(image=self.image_uri, model_data_url=self.model_data, environment=self.env)
        network = {} if self.vpc_config is None else {"vpc_config": self.vpc_config}
        Model.create(
            model_name=self.name,
            primary_container=container,
            execution_role_arn=session.expand_role(self.role) if self.role else get_execution_role(session),
            **network,
            **_where(session),
        )

    def deploy(
        self,
        initial_instance_count: int = 1,
        instance_type: str = "ml.m5.large",
        *,
        endpoint_name: str | None = None,
        wait: bool = True,
    ) -> KMeansPredictor:
        """Create the model and an endpoint of it, and return its predictor.

        Parameters
        ----------
        initial_instance_count : int
            Number of instances.
        instance_type : str
            Such as ``ml.m5.large``, or ``local``.
        endpoint_name : str or None
            None for the name of the model.
        wait : bool
            Whether to return only when it answers.

        Returns
        -------
        KMeansPredictor
            Of the endpoint.
        """
        session = self._session(instance_type)
        endpoint_name = endpoint_name or self.name
        self.create(instance_type)
        if session.local_mode:
            variant = {
                "VariantName": "AllTraffic",
                "ModelName": self.name,
                "InstanceType": instance_type,
                "InitialInstanceCount": initial_instance_count,
            }
            session.sagemaker_client.create_endpoint_config(endpoint_name, [variant])
            session.sagemaker_client.create_endpoint(endpoint_name, endpoint_name)
            return KMeansPredictor(endpoint_name, session)
        production = ProductionVariant(
            variant_name="AllTraffic",
            model_name=self.name,
            instance_type=instance_type,
            initial_instance_count=initial_instance_count,
        )
        EndpointConfig.create(endpoint_config_name=endpoint_name, production_variants=[production], **_where(session))
        endpoint = Endpoint.create(endpoint_name=endpoint_name, endpoint_config_name=endpoint_name, **_where(session))
        if wait:
            endpoint.wait_for_status("InService")
        return KMeansPredictor(endpoint_name, session)

    def transformer(self, instance_count: int = 1, instance_type: str = "ml.m5.large", **kwargs: Any) -> Transformer:
        """Create the model, and return a transformer of it.

        Parameters
        ----------
        instance_count : int
            Number of instances.
        instance_type : str
            Such as ``ml.m5.large``, or ``local``.
        **kwargs : Any
            As `sagemaker.core.transformer.Transformer` takes them.

        Returns
        -------
        sagemaker.core.transformer.Transformer
            Of the model, which the service knows now.
        """
        self.create(instance_type)
        # Without a name the transformer asks AWS for the image, in local mode too.
        options = {"base_transform_job_name": "kmeans", "sagemaker_session": self.sagemaker_session, **kwargs}
        if self.sagemaker_session.local_mode:
            # The one of the image, which local mode does not understand.
            options.setdefault("strategy", "MultiRecord")
        return Transformer(self.name, instance_count, instance_type, **options)

    def _session(self, instance_type: str | None) -> Any:
        if self.sagemaker_session is None:
            self.sagemaker_session = default_session(local=instance_type in LOCAL_INSTANCE_TYPES)
        return self.sagemaker_session


def _where(session: Any) -> dict[str, Any]:
    return {"session": session.boto_session, "region": session.boto_region_name}
