"""Rows divided into one object for each host, with a manifest, as the SDK's record sets are."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from sagemaker_kmeans import records

MANIFEST: Final = ".amazon.manifest"
# Below this, nobody needs to see how far it is.
_LARGE_BYTES: Final = 256 << 20
_PROGRESS_BYTES: Final = 64 << 20


def files(rows: Any, labels: Any, count: int) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the name and the content of each shard, at the beginning of a temporary file.

    Parameters
    ----------
    rows : array-like of numbers or SciPy sparse matrix, shape (n, d)
        As `sagemaker_kmeans.records.encoded` takes them.
    labels : array-like of numbers, shape (n,), or None
        A label for each row.
    count : int
        Number of shards.

    Yields
    ------
    name : str
        Of the shards, in the order of the rows.
    file : binary file
        It is closed when the next one is asked for.

    Raises
    ------
    ValueError
        If there are fewer rows than shards, or anything other than rows.
    """
    rows, labels = records.checked(rows, labels)
    if hasattr(rows, "tocsr"):
        rows = rows.tocsr()
    if count < 1:
        raise ValueError("num_shards must be >= 1")
    size = rows.shape[0] // count
    if size == 0:
        raise ValueError("Array length is less than num shards")
    progress = _Progress(rows)
    for shard in range(count):
        part = slice(shard * size, None if shard == count - 1 else (shard + 1) * size)
        with tempfile.TemporaryFile() as file:
            for block in records.encoded(rows[part], None if labels is None else labels[part]):
                file.write(block)
                progress.add(len(block))
            file.seek(0)
            yield f"matrix_{str(shard).zfill(len(str(count)))}.pbr", file


class _Progress:
    """Says on standard error how far the rows of a large array are."""

    def __init__(self, rows: Any) -> None:
        self._total = rows.data.nbytes
        self._done = self._said = 0

    def add(self, size: int) -> None:
        self._done += size
        if self._total >= _LARGE_BYTES and self._done - self._said >= _PROGRESS_BYTES:
            self._said = self._done
            sys.stderr.write(f"record_set: {self._done >> 20} of about {self._total >> 20} MB\n")


def manifest(prefix: str, names: list[str]) -> bytes:
    """Return the manifest that lists the shards under a prefix in S3."""
    return json.dumps([{"prefix": prefix}, *names]).encode()


def write_folder(folder: Path, rows: Any, labels: Any, count: int) -> None:
    """Write the shards into a new folder, for local mode; if that fails, leave none.

    Parameters
    ----------
    folder : Path
        It must not exist.
    rows : array-like of numbers or SciPy sparse matrix, shape (n, d)
        As `files` takes them.
    labels : array-like of numbers, shape (n,), or None
        A label for each row.
    count : int
        Number of shards.
    """
    folder.mkdir(parents=True)
    try:
        for name, content in files(rows, labels, count):
            with (folder / name).open("wb") as file:
                shutil.copyfileobj(content, file)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def upload(s3: Any, address: str, rows: Any, labels: Any, count: int, **extra: Any) -> str:
    """Upload the shards, and return the address of their manifest.

    Parameters
    ----------
    s3 : boto3 resource of S3
        Where to.
    address : str
        The ``s3://`` address of a prefix, which ends with a slash.
    rows : array-like of numbers or SciPy sparse matrix, shape (n, d)
        As for `files`.
    labels : array-like of numbers, shape (n,), or None
        As for `files`.
    count : int
        As for `files`.
    **extra : Any
        Further members of the requests, such as ``ServerSideEncryption``.

    Returns
    -------
    str
        The ``s3://`` address of the manifest.
    """
    parts = urlsplit(address)
    bucket, prefix = s3.Bucket(parts.netloc), parts.path.lstrip("/")
    names: list[str] = []
    try:
        for name, content in files(rows, labels, count):
            # In parts where it is large.
            bucket.Object(prefix + name).upload_fileobj(content, ExtraArgs=extra)
            names.append(name)
        bucket.Object(prefix + MANIFEST).put(Body=manifest(address, names), **extra)
    except BaseException:
        for name in names:
            bucket.Object(prefix + name).delete()
        raise
    return f"{address}{MANIFEST}"
