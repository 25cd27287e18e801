"""`docker run IMAGE serve`."""

import numpy as np
from numpy.typing import NDArray

from container.artifacts.model import load
from container.formats.recordio.records import dense_record, encode
from tools.containers import RECORDIO, Tree, serving


def nearest(rows: NDArray[np.float32], centers: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    distances = np.linalg.norm(rows[:, None].astype(np.float64) - centers[None], axis=2)
    return distances.argmin(axis=1), distances.min(axis=1)


def test_its_answers_are_those_of_numpy(image: str, trained: Tree, digits: NDArray[np.float32]) -> None:
    rows = digits[:200]
    labels, distances = nearest(rows, load(trained.base / "model").centers)
    csv = "\n".join(",".join(map(str, row)) for row in rows).encode()
    with serving(image, trained.base / "model") as server:
        for body, content_type in (csv, "text/csv"), (encode(map(dense_record, rows)), RECORDIO):
            response = server.invoke(body, content_type)
            assert response.status_code == 200, response.text
            predictions = response.json()["predictions"]
            assert [p["closest_cluster"] for p in predictions] == labels.tolist()
            np.testing.assert_allclose([p["distance_to_cluster"] for p in predictions], distances, rtol=1e-6)


def test_it_ends_by_itself_with_exit_code_0_when_docker_stops_it(image: str, trained: Tree) -> None:
    with serving(image, trained.base / "model") as server:
        assert server.stop() == 0, server.log()


def test_it_binds_to_the_port_that_sagemaker_names(image: str, trained: Tree) -> None:
    flags = ["--env", "SAGEMAKER_BIND_TO_PORT=9191"]
    with serving(image, trained.base / "model", flags, port=9191) as server:
        assert server.invoke(b"0," * 63 + b"0", "text/csv").status_code == 200


def test_it_needs_neither_root_nor_a_writable_file_system(image: str, trained: Tree) -> None:
    flags = ["--user", "12345", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    with serving(image, trained.base / "model", flags) as server:
        assert server.invoke(b"0," * 63 + b"0", "text/csv").status_code == 200
