"""A customer's program: train, deploy and predict with the SageMaker Python SDK in local mode.

Run as a separate process, as a customer would: sdk_client.py IMAGE K ROWS.npy ANSWERS.npz
"""

# The SDK is only partly typed, and not installed wherever types are checked.
# mypy: disable-error-code="attr-defined, no-untyped-call"

import sys
from pathlib import Path

import numpy as np
from sagemaker.amazon.common import RecordDeserializer, RecordSerializer, write_numpy_to_dense_tensor
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.serializers import CSVSerializer

ROLE = "arn:aws:iam::111122223333:role/Dummy"
ROWS_ASKED = 500


def main(image: str, k: str, rows_file: str, answers_file: str) -> None:
    rows = np.load(rows_file)
    work = Path(answers_file).parent
    channel = work / "train"
    channel.mkdir()
    with (channel / "rows.pbr").open("wb") as file:
        write_numpy_to_dense_tensor(file, rows)

    estimator = Estimator(
        image_uri=image,
        role=ROLE,
        instance_count=1,
        instance_type="local",
        output_path=f"file://{work / 'output'}",
        hyperparameters={"k": k, "feature_dim": str(rows.shape[1]), "force_dense": "True"},
    )
    estimator.fit({"train": f"file://{channel}"})

    # Without `wait`, which in local mode only sleeps: the server has answered its first ping by then.
    predictor = estimator.deploy(
        1, "local", serializer=RecordSerializer(), deserializer=RecordDeserializer(), wait=False
    )
    try:
        asked = rows[:ROWS_ASKED]
        records = predictor.predict(asked)
        predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
        predictions = predictor.predict(asked)["predictions"]
    finally:
        predictor.delete_endpoint()

    np.savez(
        answers_file,
        record_labels=[record.label["closest_cluster"].float32_tensor.values[0] for record in records],
        record_distances=[record.label["distance_to_cluster"].float32_tensor.values[0] for record in records],
        json_labels=[prediction["closest_cluster"] for prediction in predictions],
        json_distances=[prediction["distance_to_cluster"] for prediction in predictions],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
