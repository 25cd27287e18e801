"""The bytes of requests that one core decodes, and answers, in a second: `python -m benchmarks.serve rates`."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import dense_record, encode
from container.serving import malloc
from container.serving.codecs import CODECS
from container.serving.codecs.codec import BLOCK_BYTES, Instances, Predictions
from container.serving.outputs import DEFAULT_OUTPUTS, answers
from container.serving.predictor import ModelPredictor

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"
CLUSTERS = 10
COLUMNS = (2, 10, 50, 200, 784)
BODY_BYTES = 6_000_000


def rates(turns: int) -> list[dict[str, Any]]:
    """Measure decoding, and all work except receiving and sending, on one core, by the CPU time of this process.

    CSV is decoded at more than 100 MB/s, and RecordIO whose records differ only in their numbers at more than 500 MB/s;
    both are answered at about the same rate, except for the shortest lines. A row of two whole numbers has only 8
    bytes, and its response 20: of the 0.14 microseconds for the text of the response, 0.08 are spent on the up to 17
    digits of the distance. Records with uids and sparse records are decoded field by field, many at once, in 0.1 to 3
    microseconds each.
    """
    malloc.configure()
    with threadpool_limits(1):
        return [_rate(form, columns, turns) for form in _BODIES for columns in COLUMNS]


def _rate(form: str, columns: int, turns: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    predictor = ModelPredictor(rng.standard_normal((CLUSTERS, columns), np.float32))
    content_type, write = _BODIES[form]
    some = write(rng.standard_normal((200, columns), np.float32))
    body = some * max(1, BODY_BYTES // len(some))
    codec = CODECS[content_type]

    def blocks() -> Iterator[Instances]:
        return codec.decode((body[at : at + BLOCK_BYTES] for at in range(0, len(body), BLOCK_BYTES)), columns)

    def read() -> None:
        for _ in blocks():
            pass

    def answer() -> None:
        predicted = (
            Predictions(answers(predictor, block.rows, DEFAULT_OUTPUTS, 1), block.identities) for block in blocks()
        )
        for _ in codec.encode(predicted):
            pass

    return {
        "request": form,
        "columns": columns,
        "read MB/s": round(len(body) / 1e6 / _seconds(read, turns)),
        "read and answered MB/s": round(len(body) / 1e6 / _seconds(answer, turns)),
    }


def _seconds(work: Callable[[], None], turns: int) -> float:
    work()
    seconds = []
    for _ in range(turns):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def _csv(rows: NDArray[np.float32]) -> bytes:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()).encode()


def _csv_of_whole_numbers(rows: NDArray[np.float32]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in (100 * rows).astype(int).tolist()).encode()


def _dense(rows: NDArray[np.float32]) -> bytes:
    return encode(map(dense_record, rows))


def _double(rows: NDArray[np.float32]) -> bytes:
    def record(row: NDArray[np.float32]) -> Record:
        made = Record()
        made.features["values"].float64_tensor.values.extend(row.tolist())
        return made

    return encode(map(record, rows))


def _with_uids(rows: NDArray[np.float32]) -> bytes:
    def record(number: int) -> Record:
        made = dense_record(rows[number])
        made.uid = f"uid-{number}"
        return made

    return encode(map(record, range(len(rows))))


def _sparse(rows: NDArray[np.float32]) -> bytes:
    """Encode every fifth number of each row."""

    def record(row: NDArray[np.float32]) -> Record:
        keys = np.arange(0, len(row), 5)
        made = Record()
        tensor = made.features["values"].float32_tensor
        tensor.keys.extend(keys.tolist())
        tensor.values.extend(row[keys].tolist())
        tensor.shape.append(len(row))
        return made

    return encode(map(record, rows))


_BODIES = {
    "CSV": (CSV, _csv),
    "CSV, whole numbers": (CSV, _csv_of_whole_numbers),
    "RecordIO": (RECORDIO, _dense),
    "RecordIO, float64": (RECORDIO, _double),
    "RecordIO, uids": (RECORDIO, _with_uids),
    "RecordIO, sparse": (RECORDIO, _sparse),
}
