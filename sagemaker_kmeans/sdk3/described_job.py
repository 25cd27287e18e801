"""The options of a trainer out of the description of its job, on version 3 of the SDK."""

from collections.abc import Mapping
from typing import Any

from sagemaker.core.training.configs import Compute, Networking, StoppingCondition


def options(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `ModelTrainer` takes for another job like one of the service.

    Parameters
    ----------
    details : mapping
        What `DescribeTrainingJob` answers.

    Returns
    -------
    dict of str to Any
        Its volume, and where the job has them its network, its time limits and its environment; not the type and the
        number of instances.
    """
    resources, network, limits = (
        details.get(name) or {} for name in ("ResourceConfig", "VpcConfig", "StoppingCondition")
    )
    compute = _given(
        volume_size_in_gb=resources.get("VolumeSizeInGB"),
        volume_kms_key_id=resources.get("VolumeKmsKeyId"),
        keep_alive_period_in_seconds=resources.get("KeepAlivePeriodInSeconds"),
        enable_managed_spot_training=details.get("EnableManagedSpotTraining"),
    )
    networking = _given(
        subnets=network.get("Subnets"),
        security_group_ids=network.get("SecurityGroupIds"),
        enable_network_isolation=details.get("EnableNetworkIsolation"),
        enable_inter_container_traffic_encryption=details.get("EnableInterContainerTrafficEncryption"),
    )
    stopping_condition = _given(
        max_runtime_in_seconds=limits.get("MaxRuntimeInSeconds"),
        max_wait_time_in_seconds=limits.get("MaxWaitTimeInSeconds"),
    )
    return _given(
        compute=Compute(**compute),
        networking=Networking(**networking) if networking else None,
        stopping_condition=StoppingCondition(**stopping_condition) if stopping_condition else None,
        environment=details.get("Environment"),
    )


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}
