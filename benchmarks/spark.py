"""Spark's k-means on this machine's cores, with which the paper on the built-in compares it."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from pyspark.ml.clustering import KMeans
from pyspark.ml.functions import array_to_vector
from pyspark.mllib.clustering import StreamingKMeansModel
from pyspark.sql import SparkSession
from pyspark.sql.functions import col

from benchmarks.methods import BATCH_ROWS, Fit
from container.resources import cpu_count
from kmeans.types import FloatArray

MEMORY = "8g"


@contextmanager
def session() -> Iterator[SparkSession]:
    """Run Spark on all cores of this machine, on the loopback interface, until the block ends."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="kmeans-spark-") as folder:
        builder = SparkSession.builder.master(f"local[{cpu_count()}]").appName("kmeans")
        options = {
            "spark.driver.memory": MEMORY,
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": folder,
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        spark = builder.config(map=options).getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
        try:
            yield spark
        finally:
            spark.stop()


def spark_kmeans(spark: SparkSession, rows: FloatArray, k: int, seed: int) -> Fit:
    """Run MLlib's KMeans with its defaults on rows that are already in Spark's memory."""
    with tempfile.TemporaryDirectory(prefix="kmeans-spark-") as folder:
        path = Path(folder) / "rows.parquet"
        features = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        parquet.write_table(pa.table({"values": features}), path)
        table = spark.read.parquet(str(path)).select(array_to_vector(col("values")).alias("features"))
        table = table.repartition(2 * cpu_count()).cache()
        table.count()
        began = time.perf_counter()
        model = KMeans(k=k, seed=seed).fit(table)
        seconds = time.perf_counter() - began
        table.unpersist(blocking=True)
    return Fit(np.array(model.clusterCenters()), seconds)


def spark_streaming_kmeans(spark: SparkSession, rows: FloatArray, k: int, seed: int) -> Fit:
    """Run StreamingKMeans for one pass, from random rows, with `BATCH_ROWS` rows a batch."""
    start = rows[np.random.default_rng(seed).choice(len(rows), k, replace=False)]
    batches = [
        spark.sparkContext.parallelize(list(rows[begin : begin + BATCH_ROWS].astype(np.float64)), cpu_count())
        for begin in range(0, len(rows), BATCH_ROWS)
    ]
    model = StreamingKMeansModel(start.astype(np.float64).tolist(), [0.0] * k)
    began = time.perf_counter()
    for batch in batches:
        model.update(batch, 1.0, "batches")
    return Fit(np.array(model.centers), time.perf_counter() - began)
