"""`GET /metrics`, over all workers."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.container.serving.wire import CSV
from tools.server_process import ServerProcess, serving


def samples(server: ServerProcess) -> dict[tuple[str, ...], float]:
    answer = server.request("GET", "/metrics")
    assert answer.status == 200
    assert answer.content_type.startswith("text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    found = [sample for family in families for sample in family.samples]
    return {(one.name, *(one.labels[name] for name in sorted(one.labels))): one.value for one in found}


def test_they_are_off_unless_asked_for(server: ServerProcess) -> None:
    assert server.request("GET", "/metrics").status == 404


def test_all_workers_are_counted(base: Path) -> None:
    with serving(base, SAGEMAKER_KMEANS_METRICS="true") as server:
        for _ in range(30):
            assert server.invoke(b"0,0,0\n" * 7, CSV).status == 200
        for _ in range(5):
            assert server.invoke(b"0,0\n", CSV).status == 400
        assert server.invoke(b"0", "text/plain").status == 415
        assert server.request("GET", "/made-up-by-a-client").status == 404
        found = samples(server)
    assert found["kmeans_requests_total", "POST", "", "/invocations", "200"] == 30
    assert found["kmeans_requests_total", "POST", "", "/invocations", "400"] == 5
    assert found["kmeans_requests_total", "none", "", "none", "404"] == 1
    assert found["kmeans_request_seconds_count", "/invocations"] == 36
    assert found["kmeans_rows_total", ""] == 210
    assert found["kmeans_errors_total", "FormatError"] == 5
    assert found["kmeans_errors_total", "UnsupportedMediaType"] == 1
