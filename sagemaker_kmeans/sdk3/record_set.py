"""Rows that were written where a job can read them, on version 3 of the SDK."""

from dataclasses import dataclass
from typing import Any

from sagemaker.core.training.configs import Channel, DataSource, InputData, S3DataSource


@dataclass(frozen=True)
class RecordSet:
    """Rows as files of RecordIO-protobuf; `KMeans.record_set` makes one.

    Attributes
    ----------
    s3_data : str or PipelineVariable
        The ``s3://`` address of a manifest or a prefix; in local mode the ``file://`` address of a folder.
    num_records : int
        Number of rows.
    feature_dim : int
        Number of columns.
    s3_data_type : str
        ``ManifestFile`` or ``S3Prefix``.
    channel : str
        ``train`` or ``test``.
    distribution : str
        ``ShardedByS3Key`` or ``FullyReplicated``.
    """

    s3_data: Any
    num_records: int
    feature_dim: int
    s3_data_type: str = "ManifestFile"
    channel: str = "train"
    distribution: str = "ShardedByS3Key"

    def input_data(self) -> Any:
        """Return the channel as a `ModelTrainer` takes it."""
        if isinstance(self.s3_data, str) and self.s3_data.startswith("file://"):
            return InputData(channel_name=self.channel, data_source=self.s3_data.removeprefix("file://").rstrip("/"))
        source = S3DataSource(
            s3_data_type=self.s3_data_type, s3_uri=self.s3_data, s3_data_distribution_type=self.distribution
        )
        return Channel(channel_name=self.channel, data_source=DataSource(s3_data_source=source))
