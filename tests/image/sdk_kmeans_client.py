"""A customer's notebook of the built-in, with one import changed: kmeans_client.py IMAGE HOSTS ROWS.npy ANSWERS.npz.

No region, no credentials, no bucket: the class runs in local mode without them.
"""

import sys
from pathlib import Path
from uuid import uuid4

import numpy as np

from sagemaker_kmeans import KMeans, load


def main(image: str, hosts: str, rows_file: str, answers_file: str) -> None:
    rows = np.load(rows_file)
    kmeans = KMeans(
        role="SageMakerRole", instance_count=int(hosts), instance_type="local", k=10, seed=1, image_uri=image
    )
    job = f"notebook-{uuid4().hex[:8]}"
    kmeans.fit(kmeans.record_set(rows), job_name=job)

    # As another notebook would, later.
    attached = KMeans.attach(job)
    model = load(attached.model_data.removeprefix("file://"))
    assert model.cluster_sizes is not None
    predictor = attached.deploy(initial_instance_count=1, instance_type="local")
    try:
        records = predictor.predict(rows[:500])
        labels, distances = predictor.predict_arrays(rows)
    finally:
        attached.delete_endpoint()

    given = Path(answers_file).parent / "given"
    given.mkdir(exist_ok=True)
    np.savetxt(given / "rows.csv", rows[:100], delimiter=",", fmt="%g")
    transformer = attached.transformer(1, "local", accept="text/csv", strategy="MultiRecord")
    transformer.transform(f"file://{given}", content_type="text/csv", split_type="Line")
    (output,) = Path(transformer.output_path.removeprefix("file://")).rglob("rows.csv.out")

    np.savez(
        answers_file,
        record_labels=[record.label["closest_cluster"].float32_tensor.values[0] for record in records],
        labels=labels,
        distances=distances,
        transformed=[float(line.split(",")[0]) for line in output.read_text().splitlines() if line],
        loaded=model.predict(rows),
        cluster_sizes=model.cluster_sizes,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
