"""A customer's program: train on two hosts with the SageMaker Python SDK in local mode.

Run as a separate process, as a customer would: sdk_two_hosts_client.py IMAGE ROWS.npy FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from sagemaker.amazon.common import write_numpy_to_dense_tensor
from sagemaker.estimator import Estimator

ROLE = "arn:aws:iam::111122223333:role/SageMakerRole"


def main(image: str, rows_file: str, folder: str) -> None:
    rows = np.load(rows_file)
    channel = Path(folder) / "train"
    channel.mkdir()
    for name, part in enumerate(np.array_split(rows, 2)):
        with (channel / f"rows-{name}.pbr").open("wb") as file:
            write_numpy_to_dense_tensor(file, part)
    estimator = Estimator(
        image_uri=image,
        role=ROLE,
        instance_count=2,
        instance_type="local",
        output_path=f"file://{Path(folder) / 'output'}",
        hyperparameters={"k": "10", "feature_dim": str(rows.shape[1])},
    )
    estimator.fit({"train": f"file://{channel}"})


if __name__ == "__main__":
    main(*sys.argv[1:])
