"""Oddities of what earlier jobs have left: checkpoints, and models that come through the `model` channel."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from container.artifacts.checkpoint import MAGIC
from tests.container.fuzz import values
from tests.container.fuzz.kinds import put_odd_kind
from tests.container.fuzz.trees import Oddity, Tree

Arrays = dict[str, NDArray[Any]]
_ABSENT = "absent"
_HEAD = len(MAGIC) + hashlib.sha256().digest_size


def _arrays(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return dict(found)


def _archived(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    # The program's own writer takes finite numbers alone.
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _signed(content: bytes) -> bytes:
    return MAGIC + hashlib.sha256(content).digest() + content


def _changed_arrays(rng: Random, arrays: Arrays) -> Arrays:
    """Return arrays of which one has other numbers, another shape or type, or is missing."""
    name = rng.choice(list(arrays))
    array = arrays[name].copy()
    match rng.randrange(6):
        case 0:
            return {key: item for key, item in arrays.items() if key != name}
        case 1:
            return {**arrays, name: array[: rng.randrange(len(array) + 1)]}
        case 2:
            with np.errstate(over="ignore", invalid="ignore"):
                return {**arrays, name: array.astype(rng.choice(("<f4", "<f8", "<i8", "|u1", ">f8", "<f2")))}
        case 3 if array.ndim == 2:
            return {**arrays, name: array[:, : rng.randrange(3)]}
    if array.size:
        # Where all are odd, none of the good ones is left to outweigh them.
        places = np.array(rng.sample(range(array.size), min(array.size, rng.choice((1, 3, array.size, array.size)))))
        with np.errstate(over="ignore", invalid="ignore"):
            flat = array.reshape(-1)
            if array.dtype.kind == "f":
                flat[places] = values.number(rng)
            elif array.dtype.kind in "iu":
                flat[places] = np.array(rng.choice((0, 1, -1, 2**31, 2**62, 2**63 - 1, -(2**63)))).astype(array.dtype)
            else:
                flat[places] = ~flat[places]
    return {**arrays, name: array}


def _earlier_checkpoints(tree: Tree) -> list[Path]:
    """Write the checkpoints of the earlier job, which had the same data and settings; return the newest first."""
    folder = tree.base / "checkpoints"
    if os.path.lexists(folder):
        return []
    shutil.copytree(tree.earlier / "checkpoints", folder)
    # Numbers in them may differ from those of the rows.
    tree.rows = None
    return sorted(folder.iterdir(), reverse=True)


def _changes(before: Any, after: Any, place: str) -> list[str]:
    """Return where a JSON value has changed, and to what."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted(before.keys() | after.keys())
        parts = ((before.get(name, _ABSENT), after.get(name, _ABSENT), f"{place}.{name!r}") for name in names)
        return [change for part in parts for change in _changes(*part)]
    if type(before) is type(after) and before == after:
        return []
    return [f"{place} is {json.dumps(after)[:100]}"]


def checkpoints_of_other_facts(tree: Tree, rng: Random) -> None:
    """Change what a checkpoint says, and sign it again."""
    for path in _earlier_checkpoints(tree)[: rng.randrange(1, 3)]:
        arrays = _arrays(path.read_bytes()[_HEAD:])
        facts = before = json.loads(arrays["facts"].tobytes())
        for _ in range(rng.choice((1, 1, 2))):
            # That of another job is set aside at once.
            kept = facts.get("job") if isinstance(facts, dict) and rng.random() < 0.8 else None
            facts = values.mutated(rng, facts)
            if kept is not None and isinstance(facts, dict):
                facts["job"] = kept
        content = json.dumps(facts).encode()
        arrays["facts"] = np.frombuffer(content if rng.random() < 0.9 else values.damaged(rng, content), np.uint8)
        path.write_bytes(_signed(_archived(arrays)))
        tree.oddities += (f"{path.name}: {change}" for change in _changes(before, facts, "facts"))


def checkpoints_of_other_arrays(tree: Tree, rng: Random) -> None:
    """Change an array of a checkpoint, and sign it again."""
    for path in _earlier_checkpoints(tree)[: rng.randrange(1, 3)]:
        arrays = _changed_arrays(rng, _arrays(path.read_bytes()[_HEAD:]))
        path.write_bytes(_signed(_archived(arrays)))


def damaged_checkpoints(tree: Tree, rng: Random) -> None:
    """Damage the bytes of a checkpoint, and sign it again or not."""
    for path in _earlier_checkpoints(tree)[: rng.randrange(1, 3)]:
        data = path.read_bytes()
        if rng.random() < 0.5:
            path.write_bytes(values.damaged(rng, data))
        else:
            path.write_bytes(_signed(values.damaged(rng, data[_HEAD:])))


def checkpoints_of_other_names(tree: Tree, rng: Random) -> None:
    """Copy checkpoints under other names."""
    paths = _earlier_checkpoints(tree)
    steps = ("000000000000", "1", "7", "000000000099", "999999999999", "9" * 30, "-1", "0x1", "\u0661", "1.5", "")
    for path in paths:
        name = f"checkpoint-{rng.choice(('algo-1', 'algo-1', 'algo-2', '', '..'))}-{rng.choice(steps)}"
        shutil.copy(path, path.with_name(name))
        if rng.random() < 0.5:
            path.unlink(missing_ok=True)
        tree.oddities.append(name)


def odd_kinds_of_checkpoints(tree: Tree, rng: Random) -> None:
    """Put something that is no file where a checkpoint is, or could be."""
    paths = _earlier_checkpoints(tree)
    if paths:
        path = rng.choice((*paths, paths[0].with_name("checkpoint-algo-1-000000000099")))
        tree.oddities.append(put_odd_kind(rng, path))


def _tarball(folder: Path, rng: Random) -> bytes:
    """Pack a model, well or with members that should not be there."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=rng.choice(("w:gz", "w:gz", "w:gz", "w", "w:bz2"))) as tar:
        for path in sorted(folder.iterdir()):
            name = rng.choice((path.name, path.name, f"./{path.name}", f"model/{path.name}", f"../{path.name}"))
            tar.add(path, rng.choice((name, path.name, path.name)))
        for _ in range(rng.choice((0, 1, 2))):
            member = tarfile.TarInfo(
                rng.choice(("model_algo-1", "model_x", "/etc/x", "\udcff", "kmeans.json", "d" * 300))
            )
            member.type = rng.choice(
                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE)
            )
            member.linkname = "/etc/passwd"
            member.mtime = rng.choice((0, 2**40, -1))
            tar.addfile(member)
    data = buffer.getvalue()
    return data if rng.random() < 0.6 else values.damaged(rng, data)


def _change_model(folder: Path, rng: Random) -> None:
    """Change one of the files of a model."""
    match rng.randrange(5):
        case 0:
            path = folder / "kmeans.json"
            path.write_bytes(values.encoded(rng, values.mutated(rng, json.loads(path.read_bytes()))))
        case 1:
            path = folder / "state.npz"
            path.write_bytes(_archived(_changed_arrays(rng, _arrays(path.read_bytes()))))
        case 2:
            shape = rng.choice(((3, 2), (3, 2), (1, 2), (40, 2), (3, 3), (6,), (1, 3, 2)))
            centers = np.array([values.number(rng) for _ in range(int(np.prod(shape)))]).reshape(shape)
            with np.errstate(over="ignore", invalid="ignore"):
                centers = centers.astype(rng.choice(("<f4", "<f4", "<f8", "<f2", "<i4", "?")))
            (folder / "model_algo-1").write_bytes(mxnet_ndarray.dumps(centers))
            if rng.random() < 0.7:
                (folder / "kmeans.json").unlink()
                (folder / "state.npz").unlink()
        case 3:
            arrays = _arrays((folder / "state.npz").read_bytes())
            name = rng.choice(("centers", "weights", "shift", "sample", "sample_weights"))
            with np.errstate(over="ignore", invalid="ignore"):
                # One number for all, or all scaled.
                good = arrays[name] if rng.random() < 0.5 else np.ones_like(arrays[name])
                arrays[name] = (good * values.number(rng)).astype(good.dtype)
            (folder / "state.npz").write_bytes(_archived(arrays))
        case _:
            path = rng.choice(sorted(folder.iterdir()))
            name = rng.choice((*values.ODD_NAMES, "model_x", "model_algo-2", "model_.", "state.npz.gz"))
            target = folder / name
            if not os.path.lexists(target):
                (shutil.copy if rng.random() < 0.5 else shutil.move)(path, target)


def copy_model(earlier: Path, folder: Path, rng: Random) -> None:
    """Copy the model of a job, now and then as earlier releases have left it: with the sample."""
    shutil.copytree(earlier / "model", folder)
    if rng.random() < 0.5:
        shutil.copy(earlier / "output/data/state.npz", folder)


def change_model(folder: Path, rng: Random) -> None:
    """Change a model's folder: its files, or into a tarball of them."""
    for _ in range(rng.choice((0, 1, 1, 2))):
        if {"kmeans.json", "state.npz", "model_algo-1"} <= {path.name for path in folder.iterdir()}:
            # What the first change has broken can't be changed again.
            with suppress(KeyError, RecursionError, ValueError):
                _change_model(folder, rng)
    if rng.random() < 0.2:
        path = rng.choice(sorted(folder.iterdir()))
        path.write_bytes(values.damaged(rng, path.read_bytes()))
    if rng.random() < 0.3:
        data = _tarball(folder, rng)
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "model.tar.gz").write_bytes(data)


def odd_models(tree: Tree, rng: Random) -> None:
    """Continue an earlier model, in which something is odd."""
    folder = tree.base / "input/data/model"
    if os.path.lexists(folder):
        return
    copy_model(tree.earlier, folder, rng)
    tree.setting("model", "ContentType", "application/x-sagemaker-model")
    tree.rows = None
    change_model(folder, rng)
    if rng.random() < 0.15:
        name = rng.choice(("model_algo-1", "state.npz", "kmeans.json", "model.tar.gz", ""))
        tree.oddities.append(put_odd_kind(rng, folder / name))


ODDITIES: tuple[Oddity, ...] = (
    checkpoints_of_other_facts,
    checkpoints_of_other_facts,
    checkpoints_of_other_arrays,
    damaged_checkpoints,
    checkpoints_of_other_names,
    odd_kinds_of_checkpoints,
    odd_models,
    odd_models,
    odd_models,
)
