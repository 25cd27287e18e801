"""A multi-model endpoint, with several workers."""

import json
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from container.artifacts import tarball
from container.artifacts.model import SavedModel, save
from container.serving.errors import DuplicateModelError, OutOfMemoryError, RegistryError, UnknownModelError
from container.serving.registry import Registry, check_name
from tests.container.serving.wire import CSV, JSON
from tools.model_churn import churn, write_models
from tools.server_process import Answer, ServerProcess, serving, wait_until

MULTI_MODEL = {"SAGEMAKER_MULTI_MODEL": "true"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write models of one feature; model i has its only center at i."""
    tree = tmp_path_factory.mktemp("ml")
    write_models(tree, 10)
    return tree


@pytest.fixture(scope="module")
def server(tree: Path) -> Iterator[ServerProcess]:
    with serving(tree, **MULTI_MODEL) as server:
        yield server


def url(tree: Path, number: int) -> str:
    return str(tree / "models" / f"m{number}" / "model")


def post(server: ServerProcess, **members: object) -> Answer:
    return server.request("POST", "/models", json.dumps(members).encode(), Content_Type=JSON)


def invoke(server: ServerProcess, name: str, body: bytes = b"0\n") -> Answer:
    target = {"X_Amzn_SageMaker_Target_Model": name}
    return server.request("POST", f"/models/{name}/invoke", body, Content_Type=CSV, Accept=CSV, **target)


def test_the_life_of_a_model(server: ServerProcess, tree: Path) -> None:
    assert invoke(server, "m3").status == 404
    assert post(server, model_name="m3", url=url(tree, 3)).status == 200
    assert post(server, model_name="m3", url=url(tree, 3)).status == 409
    # More often than there are workers: each of them has it.
    assert {invoke(server, "m3") for _ in range(20)} == {Answer(200, CSV, b"0.0,3.0\n")}
    described = {"modelName": "m3", "modelUrl": url(tree, 3)}
    assert json.loads(server.request("GET", "/models/m3").body) == described
    assert json.loads(server.request("GET", "/models").body) == {"models": [described]}
    assert server.request("DELETE", "/models/m3").status == 200
    assert server.request("DELETE", "/models/m3").status == 404
    assert server.request("GET", "/models/m3").status == 404
    assert {invoke(server, "m3").status for _ in range(20)} == {404}
    # The same name again, for another model.
    assert post(server, model_name="m3", url=url(tree, 4)).status == 200
    assert {invoke(server, "m3") for _ in range(20)} == {Answer(200, CSV, b"0.0,4.0\n")}
    assert server.request("DELETE", "/models/m3").status == 200


def test_the_endpoint_is_well_without_a_model_and_has_no_invocations(server: ServerProcess) -> None:
    assert server.request("GET", "/ping").status == 200
    assert server.invoke(b"0\n", CSV).status == 404


def test_a_name_may_hold_what_a_file_name_may_not(server: ServerProcess, tree: Path) -> None:
    name = "modèle ☂ %2e.tar.gz?" + "n" * 230
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())
    assert post(server, model_name=name, url=url(tree, 5)).status == 200
    assert json.loads(server.request("GET", f"/models/{quoted}").body)["modelName"] == name
    assert invoke(server, quoted).body == b"0.0,5.0\n"
    assert server.request("DELETE", f"/models/{quoted}").status == 200


@pytest.mark.parametrize("name", ["", ".", "..", "../m1", "a/b", "a\\b", "a\0", "a\n", "n" * 257, None, 1, ["a"]])
def test_a_name_that_cannot_be(server: ServerProcess, tree: Path, name: object) -> None:
    answer = post(server, model_name=name, url=url(tree, 1))
    assert answer.status == 400
    assert b"expected a model_name " in answer.body
    assert json.loads(server.request("GET", "/models").body) == {"models": []}


def test_a_url_that_leaves_the_folder_of_models(server: ServerProcess, tree: Path, tmp_path: Path) -> None:
    save(tmp_path / "model", "algo-1", SavedModel(np.ones((1, 1), np.float32)))
    models = tree / "models"
    (models / "linked").symlink_to(tmp_path / "model")
    (models / "holding-a-link").mkdir()
    (models / "holding-a-link" / "model_algo-1").symlink_to(tmp_path / "model" / "model_algo-1")
    for outside in (
        str(tmp_path / "model"),
        str(models / ".." / ".." / tmp_path.name / "model"),
        str(models / "linked"),
        str(models / "holding-a-link"),
        str(models),
        "models/m1/model",
        f"file://{models}/m1/model",
        "a\0b",
        "x" * 10_000,
    ):
        answer = post(server, model_name="a", url=outside)
        assert (answer.status, b"expected a url within" in answer.body) == (400, True), outside
        assert (b", where 'model_algo-1' leads out of it" in answer.body) == outside.endswith("a-link")
    assert json.loads(server.request("GET", "/models").body) == {"models": []}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 'expected {"model_name": ..., "url": ...}: expected valid JSON'),
        (b"[" * 10_000, 'expected {"model_name": ..., "url": ...}: expected valid JSON'),
        (b"[]", 'expected {"model_name": ..., "url": ...}: expected an object, got list'),
        (b'{"model_name": "a"}', "expected url to be a text, got 'None'"),
        (b'{"model_name": "a", "url": 1}', "expected url to be a text, got '1'"),
        (b'{"model_name": "\\ud800", "url": "/a"}', "expected a model_name without"),
    ],
)
def test_what_is_no_request_to_load(server: ServerProcess, body: bytes, expected: str) -> None:
    answer = server.request("POST", "/models", body, Content_Type=JSON)
    assert (answer.status, answer.body.decode()[: len(expected)]) == (400, expected)


def test_a_model_that_cannot_be_loaded_is_refused_with_a_sentence(server: ServerProcess, tree: Path) -> None:
    broken = tree / "models" / "broken" / "model"
    broken.mkdir(parents=True)
    (broken / "model_algo-1").write_bytes(b"no model at all")
    for place in broken, tree / "models" / "none", tree / "models" / "none\udcff", tree / "models" / "none\ud800":
        answer = post(server, model_name="a", url=str(place))
        assert answer.status == 400
        assert answer.body.startswith((b"model 'a' cannot be loaded: ", b"expected a url within "))
    assert invoke(server, "a").status == 404


def test_a_fifo_is_refused_and_in_nobodys_way(server: ServerProcess, tree: Path) -> None:
    folder = tree / "models" / "fifo"
    folder.mkdir()
    os.mkfifo(folder / "model_algo-1")
    for place in folder, folder / "model_algo-1":
        answer = post(server, model_name="fifo", url=str(place))
        assert (answer.status, b"expected a regular file, got a FIFO" in answer.body) == (400, True)
    assert post(server, model_name="m1", url=url(tree, 1)).status == 200
    assert server.request("DELETE", "/models/m1").status == 200


def test_a_tarball_is_a_model_too(server: ServerProcess, tree: Path) -> None:
    folder = tree / "models" / "packed"
    folder.mkdir()
    tarball.write(folder / "model.tar.gz", [next(Path(url(tree, 6)).iterdir())])
    for place in folder, folder / "model.tar.gz":
        assert post(server, model_name="packed", url=str(place)).status == 200
        assert invoke(server, "packed").body == b"0.0,6.0\n"
        assert server.request("DELETE", "/models/packed").status == 200


def test_models_come_and_go_and_every_answer_is_of_the_right_one(server: ServerProcess, tree: Path) -> None:
    """The longer run of the same is `make bench-serve`'s."""
    outcome = churn(server.port, tree, models=10, threads=8, requests=1500)
    assert outcome.wrong == []
    assert outcome.answered > 100
    assert outcome.unknown > 0


def test_a_model_is_what_was_there_when_it_was_loaded_for_all_workers(server: ServerProcess, tree: Path) -> None:
    folder = tree / "models" / "changing"
    save(folder, "algo-1", SavedModel(np.array([[1]], np.float32)))
    assert post(server, model_name="changing", url=str(folder)).status == 200
    save(folder, "algo-1", SavedModel(np.array([[2]], np.float32)))
    assert {invoke(server, "changing").body for _ in range(20)} == {b"0.0,1.0\n"}
    shutil.rmtree(folder)
    # So do workers that come later.
    workers = set(server.workers())
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(set(server.workers()) - workers) == len(workers))
    server.wait_until_it_answers()
    assert {invoke(server, "changing").body for _ in range(20)} == {b"0.0,1.0\n"}
    assert server.request("DELETE", "/models/changing").status == 200
    save(folder, "algo-1", SavedModel(np.array([[3]], np.float32)))
    assert post(server, model_name="changing", url=str(folder)).status == 200
    assert {invoke(server, "changing").body for _ in range(20)} == {b"0.0,3.0\n"}
    assert server.request("DELETE", "/models/changing").status == 200


def registry(tmp_path: Path, memory_bytes: int = 1 << 20) -> Registry:
    (tmp_path / "shared").mkdir(exist_ok=True)
    return Registry(tmp_path / "shared", tmp_path / "models", memory_bytes)


def test_memory_is_bounded_over_all_workers(tmp_path: Path) -> None:
    write_models(tmp_path, 3, features=100)
    first, second = registry(tmp_path, 5000), registry(tmp_path, 5000)
    first.load("m0", url(tmp_path, 0))
    second.load("m1", url(tmp_path, 1))
    for worker in first, second:
        with pytest.raises(OutOfMemoryError, match="model 'm2'"):
            worker.load("m2", url(tmp_path, 2))
    assert OutOfMemoryError.status == 507
    second.unload("m0")
    first.load("m2", url(tmp_path, 2))
    assert [entry.name for entry in second.entries()] == ["m1", "m2"]


def test_what_one_worker_unloads_the_others_let_go(tmp_path: Path) -> None:
    write_models(tmp_path, 2)
    first, second = registry(tmp_path), registry(tmp_path)
    first.load("m0", url(tmp_path, 0))
    assert second.predictor("m0").feature_dim == 1
    with pytest.raises(DuplicateModelError):
        second.load("m0", url(tmp_path, 0))
    first.unload("m0")
    with pytest.raises(UnknownModelError):
        second.predictor("m0")
    for worker in first, second:
        worker.sweep()
        assert worker.held() == []


def test_nothing_is_left_of_a_model_that_is_unloaded(tmp_path: Path) -> None:
    write_models(tmp_path, 2)
    worker = registry(tmp_path)
    before = set((tmp_path / "shared").iterdir())
    worker.load("m0", url(tmp_path, 0))
    assert len(set((tmp_path / "shared").iterdir()) - before) == 1
    worker.unload("m0")
    assert set((tmp_path / "shared").iterdir()) == before
    assert worker.held() == []


def test_a_model_that_is_unloaded_while_a_worker_reads_it_is_not_kept(tmp_path: Path) -> None:
    write_models(tmp_path, 1)
    first, second = registry(tmp_path), registry(tmp_path)
    first.load("m0", url(tmp_path, 0))

    def unload_meanwhile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "_entry":
            sys.setprofile(None)
            first.unload("m0")
            second.sweep()

    # Once its file is open, before it is read.
    sys.setprofile(unload_meanwhile)
    second.predictor("m0")
    assert second.held() == []


def test_a_worker_lets_go_of_all_that_the_others_have_unloaded_however_many(tmp_path: Path) -> None:
    write_models(tmp_path, 3)
    first, second = registry(tmp_path), registry(tmp_path)
    for number in range(3):
        first.load(f"m{number}", url(tmp_path, number))
        second.predictor(f"m{number}")
    for _ in range(150):
        first.unload("m0")
        first.load("m0", url(tmp_path, 0))
    first.unload("m1")
    second.sweep()
    assert second.held() == ["m2"]
    second.predictor("m0")
    first.unload("m0")
    second.sweep()
    assert second.held() == ["m2"]


def test_the_registry_is_rebuilt_after_a_worker_was_killed_during_a_change(tmp_path: Path) -> None:
    write_models(tmp_path, 2, features=100)
    first = registry(tmp_path, 3000)
    first.load("m0", url(tmp_path, 0))
    lock = tmp_path / "shared" / "lock"
    lock.write_bytes(b"-" + lock.read_bytes()[1:])
    begun = next((tmp_path / "shared").glob("*.model"))
    begun.with_name(f".{begun.name}.partial").write_bytes(b"[")
    second = registry(tmp_path, 3000)
    with pytest.raises(OutOfMemoryError, match="model 'm1'"):
        second.load("m1", url(tmp_path, 1))
    assert not list((tmp_path / "shared").glob(".*"))
    second.unload("m0")
    first.load("m1", url(tmp_path, 1))


def test_a_worker_that_was_killed_before_it_reported_an_unload(tmp_path: Path) -> None:
    write_models(tmp_path, 2)
    first, second = registry(tmp_path), registry(tmp_path)
    first.load("m0", url(tmp_path, 0))
    second.predictor("m0")
    next((tmp_path / "shared").glob("*.model")).unlink()
    (tmp_path / "shared" / "lock").write_bytes(b"-")
    first.load("m1", url(tmp_path, 1))
    second.predictor("m1")
    assert second.held() == ["m1"]


def test_a_full_disk_is_reported_as_insufficient_memory(tmp_path: Path) -> None:
    write_models(tmp_path, 1, features=10_000)
    worker = registry(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OutOfMemoryError, match="expected room for a copy of model 'm0'"):
            worker.load("m0", url(tmp_path, 0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert worker.entries() == []
    worker.load("m0", url(tmp_path, 0))


def test_on_a_full_disk_models_can_be_unloaded(tmp_path: Path) -> None:
    """Space for the records of models, and for what other workers read, is reserved at the start."""
    write_models(tmp_path, 1)
    worker = registry(tmp_path)
    lock = tmp_path / "shared" / "lock"
    before = lock.stat()
    worker.load("m0", url(tmp_path, 0))
    worker.unload("m0")
    after = lock.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    written = (tmp_path / "shared" / "unloaded").read_bytes()
    assert written[-1:] == b"\0"
    assert len(written) > 4096


# Hooks stay for as long as the process: this one counts while it is asked to.
TOUCHED: list[str] = []
COUNTING = threading.Event()


def count(event: str, _: object) -> None:
    if COUNTING.is_set() and event.startswith(("open", "os.", "glob.", "pathlib.")):
        TOUCHED.append(event)


sys.addaudithook(count)


def touched(work: Callable[[], object]) -> list[str]:
    """Return what some work asks of the file system."""
    TOUCHED.clear()
    COUNTING.set()
    work()
    COUNTING.clear()
    return TOUCHED.copy()


def test_what_is_touched_for_one_model_does_not_grow_with_the_models(tmp_path: Path) -> None:
    write_models(tmp_path, 40)
    first, second = registry(tmp_path), registry(tmp_path)

    def load(number: int) -> list[str]:
        return touched(lambda: first.load(f"m{number}", url(tmp_path, number)))

    def ask(number: int) -> list[str]:
        return touched(lambda: second.predictor(f"m{number}"))

    # The first one finds no books.
    load(0)
    few = load(1), ask(1)
    for number in range(2, 39):
        load(number)
        ask(number)
    assert (load(39), ask(39)) == few
    (tmp_path / "alone").mkdir()
    alone = Registry(tmp_path / "alone", tmp_path / "models", 1 << 20)
    alone.load("m0", url(tmp_path, 0))
    assert touched(lambda: first.unload("m5")) == touched(lambda: alone.unload("m0"))
    second.sweep()
    assert "m5" not in second.held()
    assert touched(lambda: second.predictor("m6")) == touched(lambda: second.predictor("m7"))


def test_a_long_list_is_divided_into_pages(tmp_path: Path) -> None:
    write_models(tmp_path, 1)
    with serving(tmp_path, **MULTI_MODEL) as server:
        names = sorted(f"n{number}" for number in range(150))
        for name in names:
            assert post(server, model_name=name, url=url(tmp_path, 0)).status == 200
        first = json.loads(server.request("GET", "/models").body)
        second = json.loads(server.request("GET", f"/models?next_page_token={first['nextPageToken']}").body)
    assert [model["modelName"] for model in first["models"] + second["models"]] == names
    assert "nextPageToken" not in second


def test_a_name_is_checked_before_it_is_a_path() -> None:
    assert check_name("a" * 256) == "a" * 256
    with pytest.raises(RegistryError):
        check_name(os.sep)
