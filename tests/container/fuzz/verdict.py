"""What must hold for whatever a job leaves: a finite model that is true, or a sentence that says why there is none."""

import json
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from container.artifacts import model, mxnet_ndarray, state
from tests.container.fuzz.fork_server import Ended
from tests.container.fuzz.trees import SETTINGS, Rows, Tree

_SENTENCES = {2: "Customer Error: ", 3: "Platform Error: "}
# float32 numbers of about 1 have so much of their square as an error; twice for each of two numbers.
_ROUNDING = 1e-5


def fault(tree: Tree, ended: Ended) -> str | None:
    """Return what is wrong with how a job ended; None if nothing is."""
    if ended.hung:
        return f"hang: SIGTERM after {tree.stop_after:g} s did not end it"
    if ended.exit_code not in (0, 2, 3):
        return f"exit code {ended.exit_code}: {_reason(ended.log)}"
    if "This is a bug" in ended.log:
        return f"exit code {ended.exit_code} and a bug: {_reason(ended.log)}"
    if "Traceback (most recent call last)" in ended.log and '"debug"' not in json.dumps(tree.hyperparameters):
        return f"exit code {ended.exit_code} and a traceback: {_reason(ended.log)}"
    try:
        _look_at_model(tree, ended)
    except Exception as error:
        return f"exit code {ended.exit_code}: {type(error).__name__}: {error}"
    return _fault_of_failure(tree, ended)


def _reason(log: str) -> str:
    """Return the last line about an error."""
    lines = [line for line in log.splitlines() if re.search(r"Error|error|Traceback|Fatal|LLVM", line)]
    return re.sub(r"^\[[^]]* \d+\] ", "", (lines or log.splitlines() or ["nothing in the log"])[-1])


def _fault_of_failure(tree: Tree, ended: Ended) -> str | None:
    """Compare the failure file with the exit code."""
    path = tree.base / "output/failure"
    if not ended.exit_code:
        return "exit code 0 and output/failure" if _is_file(path) else None
    start = _SENTENCES[ended.exit_code]
    if not _is_writable_place(path):
        # Nobody can write there.
        return None if start in ended.log else f"exit code {ended.exit_code} without a sentence in the log"
    text = path.read_bytes().decode()
    if not text.startswith(start) or len(text) < len(start) + 10 or len(text) > 1024 or "Traceback" in text:
        return f"exit code {ended.exit_code} with output/failure {text!r}"
    if text.splitlines()[0] not in ended.log:
        return f"exit code {ended.exit_code} with the reason of an earlier run"
    return None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_writable_place(path: Path) -> bool:
    """Return whether a file can be written there: in an ordinary folder, and not in place of anything else."""
    try:
        folder, here = path.parent.stat(), path.lstat()
    except FileNotFoundError:
        # A job makes the folder, if it can.
        return not path.parent.is_symlink()
    except OSError:
        return False
    return bool(stat.S_ISREG(here.st_mode) and here.st_mode & stat.S_IWUSR and folder.st_mode & stat.S_IWUSR)


def _fail(text: str) -> NoReturn:
    raise AssertionError(text)


def _strict_json(path: Path) -> Any:
    return json.loads(path.read_bytes(), parse_constant=lambda name: _fail(f"{path.name} has {name}"))


def _look_at_model(tree: Tree, ended: Ended) -> None:
    """Read back all that is there; a job that succeeds has left it, and one that fails nothing that is broken."""
    folder = tree.base / "model"
    names = sorted(path.name for path in folder.glob("model_*")) if folder.is_dir() else []
    if ended.exit_code and (len(names) != 1 or not _is_file(folder / names[0])):
        return
    assert len(names) == 1, f"expected one model, got {names}"
    (centers,) = mxnet_ndarray.loads((folder / names[0]).read_bytes())
    assert centers.dtype == np.float32, centers.dtype
    assert centers.ndim == 2, centers.shape
    assert np.isfinite(centers).all(), "centers that are not finite"
    if ended.exit_code:
        return
    described = _strict_json(folder / "kmeans.json")
    assert (described["k"], described["feature_dim"]) == centers.shape, "another shape than kmeans.json says"
    assert np.isfinite(described["msd"]), described["msd"]
    assert described["msd"] >= 0, described["msd"]
    given = tree.hyperparameters
    if given.keys() >= {"k", "feature_dim"} and given["k"] == SETTINGS["k"]:
        assert centers.shape[0] == int(SETTINGS["k"]), f"{centers.shape[0]} centers"
    model.load(folder)
    found = archive_of(folder / model.STATE)
    assert all(np.isfinite(array).all() for array in found.values()), "a state that is not finite"
    _look_at_output(tree, centers)
    if tree.rows is not None and not ended.stopped:
        _compare_with_rows(tree.rows, np.asarray(centers, np.float64), described)
        _look_at_assignments(tree, tree.rows, np.asarray(centers, np.float64))


def archive_of(path: Path) -> dict[str, NDArray[Any]]:
    """Read a state's arrays."""
    state.loads(path.read_bytes())
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def _look_at_output(tree: Tree, centers: NDArray[Any]) -> None:
    """Check that other files than the model are complete, if they are there."""
    output = tree.base / "output"
    if _is_file(output / model.TARBALL):
        assert np.array_equal(model.load(output / model.TARBALL).centers, centers), "another model in the tarball"
    if _is_file(output / "data/state.npz"):
        assert all(np.isfinite(array).all() for array in archive_of(output / "data/state.npz").values())
    if _is_file(output / "data/msd_by_k.json"):
        _strict_json(output / "data/msd_by_k.json")


def _compare_with_rows(rows: Rows, centers: NDArray[np.float64], described: dict[str, Any]) -> None:
    """See that a model is one of these rows: centers are means of some, and its loss is that of them all."""
    exact = rows.astype(np.float64)
    assert centers.shape[1] == exact.shape[1], centers.shape
    # Exact but for the rounding to float32 at the end.
    width = np.maximum(np.abs(exact).max(axis=0), 1e-37) * 1e-6
    inside = (centers >= exact.min(axis=0) - width) & (centers <= exact.max(axis=0) + width)
    assert inside.all(), f"centers outside of all rows: {centers[~inside.all(axis=1)][0]}"
    if described["msd_is_exact"]:
        assert described["rows_scored"] == len(rows), f"{described['rows_scored']} rows scored of {len(rows)}"
        true = _squared_distances(exact, centers).min(axis=1).mean()
        error = abs(described["msd"] - true)
        assert error <= 1e-4 * true + _allowed(exact).mean(), f"msd {described['msd']}, truly {true}"


def _squared_distances(rows: NDArray[np.float64], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = ((rows[:, None, :] - centers[None]) ** 2).sum(axis=2)
    return found


def _allowed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the error that the squared distance of each row may have because the row is rounded to float32."""
    allowed: NDArray[np.float64] = _ROUNDING * ((rows - np.median(rows, axis=0)) ** 2).sum(axis=1) + 1e-12 * (
        rows**2
    ).sum(axis=1)
    return allowed


def _look_at_assignments(tree: Tree, rows: Rows, centers: NDArray[np.float64]) -> None:
    """Check that each row was assigned to a center that is nearest to it, up to the rounding of float32."""
    folder = tree.base / "output/data/assignments/algo-1"
    files = sorted(folder.glob("part-?.*.csv")) if folder.is_dir() else []
    if not all(map(_is_file, files)) or len(files) != len(tree.data_files()):
        return
    lines = [line for path in files for line in path.read_text().splitlines()[1:]]
    assert len(lines) == len(rows), f"{len(lines)} assignments of {len(rows)} rows"
    labels = np.array([int(line.split(",")[0]) for line in lines])
    exact = rows.astype(np.float64)
    distances = _squared_distances(exact, centers)
    nearest, given = distances.min(axis=1), distances[np.arange(len(rows)), labels]
    wrong = given > nearest * (1 + 1e-4) + _allowed(exact)
    assert not wrong.any(), f"{wrong.sum()} of {len(rows)} rows in a cluster that is not the nearest"
