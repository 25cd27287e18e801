"""A model loaded from S3, by the real boto3 on a real socket: a server of a few lines stands for the service."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sagemaker_kmeans import ModelError, load
from tests.sagemaker_kmeans.test_local_model import CENTERS, packed, saved


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose files are the objects of the bucket `models`."""
    root = tmp_path / "s3"
    (root / "models").mkdir(parents=True)

    class Objects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = root / self.path.split("?")[0].lstrip("/")
            found = path.is_file()
            body = path.read_bytes() if found else b"<Error><Code>NoSuchKey</Code></Error>"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Objects) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "dummy",
            "AWS_SECRET_ACCESS_KEY": "dummy",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }.items():
            monkeypatch.setenv(name, value)
        try:
            yield root / "models"
        finally:
            server.shutdown()
            thread.join()


def test_a_tarball_and_a_bare_file_are_loaded(bucket: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved", CENTERS)
    (bucket / "job").mkdir()
    packed(folder).rename(bucket / "job" / "model.tar.gz")
    (folder / "model_algo-1").rename(bucket / "model_algo-1")
    for key in ("job/model.tar.gz", "model_algo-1"):
        assert load(f"s3://models/{key}").predict([[3, 4]]).tolist() == [1]


def test_what_is_not_there_or_too_large_is_reported(bucket: Path) -> None:
    (bucket / "large").write_bytes(bytes(1000))
    with pytest.raises(ModelError, match=r"s3://models/large: expected at most max_bytes=999 bytes"):
        load("s3://models/large", max_bytes=999)
    with pytest.raises(ModelError, match=r"s3://models/none: .*NoSuchKey"):
        load("s3://models/none")
    with pytest.raises(ModelError, match="expected s3://BUCKET/KEY"):
        load("s3://models")
