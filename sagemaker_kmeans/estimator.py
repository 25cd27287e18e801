"""What `KMeans` is on both versions of the SDK: rows are written for jobs, and an endpoint is deleted again."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sagemaker_kmeans import shards
from sagemaker_kmeans.local_jobs import address
from sagemaker_kmeans.records import checked

# As a location of data: a new temporary folder, created when it is first used.
NEW_FOLDER: Final = "file://"


class RecordSetEstimator:
    """The methods of `KMeans` that do not depend on the version of the SDK.

    Attributes
    ----------
    image_uri : str
        The image.
    instance_count : int
        Number of hosts.
    sagemaker_session : Session
        Where the job runs.
    """

    image_uri: Any
    instance_count: Any
    sagemaker_session: Any
    fit: Callable[..., Any]
    # The class of record sets, of the SDK's signature.
    _record_set: Callable[..., Any]
    _data_location: str | None = None
    _predictor: Any = None

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
        address = f"{self.data_location}{name}/"
        if address.startswith("file://"):
            folder = Path(address.removeprefix("file://"))
            folder.mkdir(parents=True)
            shards.write_folder(folder, rows, labels, self.instance_count)
            return self._record_set(address, s3_data_type="S3Prefix", distribution="FullyReplicated", **described)
        session = self.sagemaker_session
        s3 = session.boto_session.resource("s3", region_name=session.boto_region_name)
        extra = {"ServerSideEncryption": "AES256"} if encrypt else {}
        if owner := session._get_account_id_if_default_bucket(address.split("/")[2]):
            extra["ExpectedBucketOwner"] = owner
        found = shards.upload(s3, address, rows, labels, self.instance_count, **extra)
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
