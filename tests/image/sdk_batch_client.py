"""A customer's program: train, then transform files in batches, with the SageMaker Python SDK in local mode.

Run as a separate process, as a customer would: sdk_batch_client.py IMAGE K ROWS.npy FOLDER
"""

# The SDK is only partly typed, and not installed wherever types are checked.
# mypy: disable-error-code="attr-defined, no-untyped-call"

import json
import sys
from pathlib import Path

import numpy as np
from sagemaker.amazon.common import write_numpy_to_dense_tensor
from sagemaker.estimator import Estimator

ROLE = "arn:aws:iam::111122223333:role/Dummy"
CSV, JSON_LINES = "text/csv", "application/jsonlines"
# Strategy -> number of rows; with SingleRecord each record is a request.
STRATEGIES = {"SingleRecord": 20, "MultiRecord": 500}


def main(image: str, k: str, rows_file: str, folder: str) -> None:
    rows = np.load(rows_file)
    work = Path(folder)
    (work / "train").mkdir()
    with (work / "train" / "rows.pbr").open("wb") as file:
        write_numpy_to_dense_tensor(file, rows)
    estimator = Estimator(
        image_uri=image,
        role=ROLE,
        instance_count=1,
        instance_type="local",
        output_path=f"file://{work / 'output'}",
        hyperparameters={"k": k, "feature_dim": str(rows.shape[1])},
    )
    estimator.fit({"train": f"file://{work / 'train'}"})
    for strategy, count in STRATEGIES.items():
        lines = {
            CSV: [",".join(map(str, row)) for row in rows[:count].tolist()],
            JSON_LINES: [json.dumps({"features": row}) for row in rows[:count].tolist()],
        }
        for content_type, accept in ((CSV, CSV), (CSV, JSON_LINES), (JSON_LINES, JSON_LINES)):
            name = f"{strategy}-{content_type.split('/')[1]}-{accept.split('/')[1]}"
            given = work / "given" / name
            given.mkdir(parents=True)
            (given / "rows").write_text("\n".join(lines[content_type]) + "\n")
            transformer = estimator.transformer(
                instance_count=1,
                instance_type="local",
                strategy=strategy,
                assemble_with="Line",
                accept=accept,
                max_payload=1,
                output_path=f"file://{work / 'transformed' / name}",
            )
            # Local mode returns when everything is done; waiting would look for logs in the cloud.
            transformer.transform(f"file://{given}", content_type=content_type, split_type="Line", wait=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
