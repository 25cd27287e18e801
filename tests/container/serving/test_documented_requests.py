"""The requests that the documentation shows, sent to a running server: of (1, 2, 5), or of that and (0.5, 0, 0)."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from container.formats.recordio.frames import split_frames
from container.formats.recordio.record_pb2 import Record
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO
from tools.documents import README, ROOT, section, snippets, text
from tools.server_process import Answer, ServerProcess

TYPES = section(text(README), "Inference")
PAGE, _ = text(ROOT / "docs/inference.md").split("\n## Anomalies\n")
CSV_BODY, JSON_LINES_BODY = snippets(PAGE, "text")
JSON_BODIES = snippets(PAGE, "json")
FORMS = JSON_LINES_BODY.splitlines()


def test_csv(server: ServerProcess) -> None:
    assert server.invoke(CSV_BODY.encode(), CSV, CSV) == Answer(200, CSV, b"1.0,3.0\n0.0,0.5\n")


def test_json(server: ServerProcess) -> None:
    answers = [server.invoke(body.encode(), JSON, CSV) for body in JSON_BODIES]
    assert [answer.body for answer in answers] == [b"1.0,3.0\n0.0,0.5\n", b"1.0,3.0\n0.0,0.5\n", b"1.0,3.0\n"]


def test_json_lines(server: ServerProcess) -> None:
    assert len(FORMS) == 7
    assert server.invoke(JSON_LINES_BODY.encode(), JSON_LINES, CSV).body == b"1.0,3.0\n" * len(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_instance_in_every_form_of_a_document(server: ServerProcess, form: str) -> None:
    for document in (form, f"[{form}, {form}]", f'{{"instances": [{form}, {form}]}}'):
        answer = server.invoke(document.encode(), JSON, CSV)
        assert answer.body == b"1.0,3.0\n" * (1 if document == form else 2)


def test_recordio(server: ServerProcess, tmp_path: Path) -> None:
    (snippet,) = snippets(PAGE, "shell")
    convert, curl = map(shlex.split, snippet.splitlines())
    (tmp_path / "rows.csv").write_text(CSV_BODY)
    command = [sys.executable, *convert[1:]]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    body = (tmp_path / curl[curl.index("--data-binary") + 1].removeprefix("@")).read_bytes()
    assert curl[curl.index("--header") + 1] == f"Content-Type: {RECORDIO}"
    assert server.invoke(body, RECORDIO, CSV).body == b"1.0,3.0\n0.0,0.5\n"


@pytest.mark.parametrize("accept", [CSV, JSON, JSON_LINES])
def test_each_response_is_as_shown(server: ServerProcess, accept: str) -> None:
    (line,) = (line for line in TYPES.splitlines() if line.startswith(f"| `{accept}` |"))
    shown = line.split("|")[3].split("`")[1]
    assert server.invoke(b"1,2,5\n", CSV, accept).body.decode().removesuffix("\n") == shown


def test_a_response_in_recordio_has_the_labels_shown(server: ServerProcess) -> None:
    (payload,) = split_frames(server.invoke(b"1,2,5\n", CSV, RECORDIO).body)
    labels = Record.FromString(payload).label
    assert {name: list(label.float32_tensor.values) for name, label in labels.items()} == {
        "closest_cluster": [1.0],
        "distance_to_cluster": [3.0],
    }
    assert all(f"`{name}`" in TYPES for name in labels)
