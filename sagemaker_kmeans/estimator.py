"""What `KMeans` is on both versions of the SDK: its parameters, rows written for jobs, and its endpoint."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from sagemaker_kmeans import image, shards
from sagemaker_kmeans.hyperparameters import TABLE, taken_from
from sagemaker_kmeans.local_jobs import LocalJobs, address
from sagemaker_kmeans.records import checked

# As a location of data: a new temporary folder, created when it is first used.
NEW_FOLDER: Final = "file://"


class KMeansInterface:
    """The part of `KMeans` that does not depend on the version of the SDK.

    Attributes
    ----------
    image_uri : str
        The image.
    instance_count : int
        Number of hosts.
    sagemaker_session : Session
        Where the job runs.
    is_local : bool
        Whether that is local mode.
    """

    image_uri: Any
    instance_count: Any
    sagemaker_session: Any
    is_local: Any
    fit: Callable[..., Any]
    # Set everything up, given the hyperparameters by their names in Python, and the other parameters.
    _create: Callable[[dict[str, Any], dict[str, Any]], None]
    _deployed: Callable[..., Any]
    _analytics: Callable[[], Any]
    # The class of record sets, of the SDK's signature.
    _record_set: Callable[..., Any]
    _data_location: str | None = None
    _predictor: Any = None

    def __init__(
        self,
        role: Any = None,
        instance_count: Any = None,
        instance_type: Any = None,
        k: Any = None,
        init_method: Any = None,
        max_iterations: Any = None,
        tol: Any = None,
        num_trials: Any = None,
        local_init_method: Any = None,
        half_life_time_size: Any = None,
        epochs: Any = None,
        center_factor: Any = None,
        eval_metrics: Any = None,
        mini_batch_size: Any = None,
        *,
        image_uri: Any = None,
        **options: Any,
    ) -> None:
        """Describe the jobs of an estimator.

        Parameters
        ----------
        role : str or None
            The role of the job, its name or ARN; with version 3, None for the default one. In local mode, any text.
        instance_count : int
            Number of hosts.
        instance_type : str
            Such as ``ml.c5.xlarge``, or ``local``.
        k : int
            Number of clusters.
        init_method : {"random", "kmeans++"} or None
        max_iterations : int or None
        tol : float or None
        num_trials : int, "auto" or None
        local_init_method : {"random", "kmeans++"} or None
        half_life_time_size : int or None
        epochs : int or None
        center_factor : int, "auto" or None
            Hyperparameters, as the SDK's class has them; None for the algorithm's default.
        eval_metrics : list of str or None
            Some of ``msd`` and ``ssd``.
        mini_batch_size : int or None
            For all calls of `fit` that do not give one.
        image_uri : str or None
            The image; None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
        **options : Any
            The algorithm's other hyperparameters, such as `seed`, and what the class of the installed SDK takes.

        Raises
        ------
        TypeError
            If there is another keyword, which the SDK's class would ignore.
        ValueError
            If a hyperparameter is out of its range, or there is no image.
        """
        given = locals() | taken_from(options)
        self.image_uri = image.resolve(image_uri)
        hyperparameters = {row.attribute: given.get(row.attribute) for row in TABLE}
        options |= {"role": role, "instance_count": instance_count, "instance_type": instance_type}
        self._create(hyperparameters, options)

    @classmethod
    def attach(cls, training_job_name: str, sagemaker_session: Any = None, model_channel_name: str = "model") -> Self:
        """Return the estimator of a job that has ended, with its image and all its hyperparameters.

        Parameters
        ----------
        training_job_name : str
            A job of the service, or of local mode on this machine.
        sagemaker_session : Session or None
            None for a local one, if a local job has that name, or else one of the default AWS configuration.
        model_channel_name : str
            The channel that held a model, if any; version 3 does not use it.

        Returns
        -------
        KMeans
            With a job, so that it can be deployed.
        """
        local_job = LocalJobs().find(training_job_name) if sagemaker_session is None else None
        return cls._attached(training_job_name, sagemaker_session, model_channel_name, local_job)

    @classmethod
    def _attached(cls, name: str, session: Any, model_channel_name: str, local_job: dict[str, Any] | None) -> Self:
        raise NotImplementedError

    def training_image_uri(self) -> Any:
        """Return the image."""
        return self.image_uri

    @property
    def data_location(self) -> str:
        """Where `record_set` writes to, with a slash at the end."""
        if self._data_location is None:
            self.data_location = self._default_data_location()
        return str(self._data_location)

    @data_location.setter
    def data_location(self, data_location: str) -> None:
        if not data_location.startswith(("s3://", "file://")):
            raise ValueError(f'Expecting an S3 URL beginning with "s3://". Got "{data_location}"')
        if data_location.startswith("file://") and data_location[7:8] not in ("", "/"):
            raise ValueError(f"expected an absolute path in a file:// address, got {data_location}")
        self._data_location = None if data_location == NEW_FOLDER else data_location.rstrip("/") + "/"

    def _default_data_location(self) -> str:
        return address(Path(tempfile.mkdtemp(prefix="sagemaker-record-sets-")).resolve())

    def record_set(
        self,
        train: Any,
        labels: Any = None,
        channel: str = "train",
        encrypt: bool = False,
        distribution: str = "ShardedByS3Key",
    ) -> Any:
        """Write rows where a job can read them: one object for each host, and a manifest.

        Parameters
        ----------
        train : array-like of numbers or SciPy sparse matrix, shape (n, d)
            Rows. Float32 stays; other numbers become float64.
        labels : array-like of numbers, shape (n,), or None
            K-means does not look at them.
        channel : str
            ``train`` or ``test``.
        encrypt : bool
            Whether S3 encrypts the objects.
        distribution : str
            ``ShardedByS3Key`` or ``FullyReplicated``. In local mode all hosts see all files, and divide the rows.

        Returns
        -------
        RecordSet
            For `fit`.
        """
        rows, labels = checked(train, labels)
        described = {"num_records": rows.shape[0], "feature_dim": rows.shape[1], "channel": channel}
        # Two in the same second are two.
        name = f"{type(self).__name__}-{time.strftime('%Y-%m-%d-%H-%M-%S', time.gmtime())}-{uuid4().hex[:8]}"
        target = f"{self.data_location}{name}/"
        if target.startswith("file://"):
            shards.write_folder(Path(target.removeprefix("file://")), rows, labels, self.instance_count)
            return self._record_set(target, s3_data_type="S3Prefix", distribution="FullyReplicated", **described)
        session = self.sagemaker_session
        s3 = session.boto_session.resource("s3", region_name=session.boto_region_name)
        extra = {"ServerSideEncryption": "AES256"} if encrypt else {}
        if owner := session._get_account_id_if_default_bucket(target.split("/")[2]):
            extra["ExpectedBucketOwner"] = owner
        found = shards.upload(s3, target, rows, labels, self.instance_count, **extra)
        return self._record_set(found, distribution=distribution, **described)

    def fit_ndarray(
        self,
        train: Any,
        labels: Any = None,
        mini_batch_size: int | None = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
    ) -> Any:
        """Train with rows: `record_set` and `fit` in one.

        Parameters
        ----------
        train : array-like of numbers or SciPy sparse matrix, shape (n, d)
            As for `record_set`.
        labels : array-like of numbers, shape (n,), or None
            As for `record_set`.
        mini_batch_size : int or None
            As for `fit`.
        wait : bool
            Whether to return only when the job has ended.
        logs : bool
            Whether to show its log until then.
        job_name : str or None
            None for a name that ends with the time.

        Returns
        -------
        None or step arguments
            What `fit` returns.
        """
        return self.fit(self.record_set(train, labels), mini_batch_size, wait, logs, job_name)

    @property
    def training_job_analytics(self) -> Any:
        """The metrics of the latest job; raise ValueError if there are none."""
        if self.is_local:
            raise ValueError("expected a job of the service: the metrics of local mode are in the log")
        return self._analytics()

    def deploy(self, *args: Any, **kwargs: Any) -> Any:
        """Deploy the model of the latest job.

        Parameters
        ----------
        *args, **kwargs : Any
            With version 2 as `sagemaker.estimator.EstimatorBase.deploy` takes them, with version 3 as
            `KMeansModel.deploy` does.

        Returns
        -------
        KMeansPredictor
            To be asked.
        """
        self._predictor = self._deployed(*args, **kwargs)
        return self._predictor

    def delete_endpoint(self) -> None:
        """Delete the endpoint that `deploy` has created.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self._predictor is None:
            raise ValueError("expected an endpoint of this estimator, got none: call deploy first")
        self._predictor.delete_endpoint()
        self._predictor = None
