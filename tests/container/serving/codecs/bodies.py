"""Bodies of requests and responses, written and read as clients do."""

import json
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from container.formats.recordio import frames, records
from container.formats.recordio.record_pb2 import Record
from container.serving.codecs import CODECS
from container.serving.codecs.codec import Instances
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO


def json_objects(rows: NDArray[np.float32]) -> list[str]:
    """Write rows in each form of JSON in turn."""
    shapes: tuple[Callable[[list[float]], object], ...] = (
        lambda row: {"features": row},
        lambda row: {"data": {"features": {"values": row}}},
        lambda row: {"data": {"features": {"keys": list(range(len(row))), "shape": [len(row)], "values": row}}},
        lambda row: {
            "data": {
                "features": {
                    "keys": [key for key, value in reversed(list(enumerate(row))) if value],
                    "shape": [len(row)],
                    "values": [value for value in reversed(row) if value],
                }
            }
        },
    )
    return [json.dumps(shapes[number % len(shapes)](row)) for number, row in enumerate(rows.tolist())]


WRITERS: dict[str, Callable[[NDArray[np.float32]], bytes]] = {
    CSV: lambda rows: "".join(f"{','.join(map(repr, row))}\n" for row in rows.tolist()).encode(),
    JSON: lambda rows: f'{{"instances": [{", ".join(json_objects(rows))}]}}'.encode(),
    JSON_LINES: lambda rows: "\n".join(json_objects(rows)).encode(),
    RECORDIO: lambda rows: records.encode(map(records.dense_record, rows)),
}


def read_all(
    content_type: str, body: Iterable[bytes], feature_dim: int
) -> tuple[NDArray[np.float32], list[Record] | None]:
    """Read a body given in parts."""
    blocks = list(CODECS[content_type].decode(body, feature_dim))
    rows = np.concatenate([block.rows for block in blocks])
    if all(block.identities is None for block in blocks):
        return rows, None
    return rows, [one for block in blocks for one in identities_of(block)]


def identities_of(block: Instances) -> list[Record]:
    return (
        [Record()] * len(block.rows)
        if block.identities is None
        else list(map(Record.FromString, block.identities.strings()))
    )


def read_pairs(content_type: str, body: bytes) -> list[tuple[float, float]]:
    """Read an answer the way its clients do."""
    match content_type:
        case "text/csv":
            lines = [line.split(",") for line in body.decode().splitlines()]
            return [(float(label), float(distance)) for label, distance in lines]
        case "application/x-recordio-protobuf":
            answers = map(Record.FromString, frames.split_frames(body))
            labels = [record.label for record in answers]
            names = ("closest_cluster", "distance_to_cluster")
            return [tuple(label[name].float32_tensor.values[0] for name in names) for label in labels]
        case "application/json":
            objects = json.loads(body)["predictions"]
        case _:
            objects = [json.loads(line) for line in body.splitlines()]
    return [(answer["closest_cluster"], answer["distance_to_cluster"]) for answer in objects]
