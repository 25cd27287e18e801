"""Where the files of a model are found: a folder, a tarball, a single file, or an object in S3."""

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from urllib.parse import urlsplit

DESCRIPTION: Final = "kmeans.json"
CENTERS_PREFIX: Final = "model_"
_TARBALL: Final = "model.tar.gz"

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOCK_BYTES: Final = 1 << 20
_MAX_MEMBERS: Final = 1000
# What tarfile and gzip raise for damaged archives: their own errors, and whatever a wrong number in one leads to.
_ARCHIVE_ERRORS: Final = (tarfile.TarError, zlib.error, LookupError, ValueError, EOFError, OSError, OverflowError)


class ModelError(ValueError):
    """There is no model, or one that cannot be read; the text says where, what was expected and what was found."""


def read(address: str | os.PathLike[str], max_bytes: int) -> dict[str, bytes]:
    """Read the files of a model into memory.

    Parameters
    ----------
    address : str or path-like
        A folder, a ``model.tar.gz``, a folder that holds one, a bare file of centers, the ``file://`` address of one of
        these, or the ``s3://`` address of an object. Only the latter needs boto3.
    max_bytes : int
        Bound of the bytes read, and of those that a tarball holds uncompressed.

    Returns
    -------
    dict of str to bytes
        The contents of ``kmeans.json``, where there is one, and of the files whose names begin with ``model_``.

    Raises
    ------
    ModelError
        If there is none, or it cannot be read.
    """
    if isinstance(address, str) and address.startswith("s3://"):
        return _read_object(address, max_bytes)
    path = Path(address.removeprefix("file://") if isinstance(address, str) else address)
    try:
        if path.is_dir():
            found = [file for file in path.iterdir() if _is_wanted(file.name) and not file.is_dir()]
            if found or not (path / _TARBALL).exists():
                return {file.name: _content(file, max_bytes) for file in found}
            path /= _TARBALL
        with _opened(path) as file:
            return _read_stream(file, path.name, max_bytes)
    except ModelError as cause:
        raise ModelError(f"{path}: {cause}") from cause
    except OSError as cause:
        raise ModelError(f"{path}: expected a model, got {cause.strerror or cause}") from cause


def _is_wanted(name: str) -> bool:
    return name == DESCRIPTION or (name.startswith(CENTERS_PREFIX) and "/" not in name)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file, and nothing that waits for its other end, as a FIFO does."""
    if not path.is_file():
        raise ModelError(f"expected a {'regular ' if path.exists() else ''}file, got none")
    with path.open("rb") as file:
        yield file


def _content(path: Path, max_bytes: int) -> bytes:
    with _opened(path) as file:
        return _all_of(file, max_bytes)


def _all_of(file: Any, max_bytes: int) -> bytes:
    content = bytearray()
    # In blocks, so that a stated length that is wrong allocates nothing.
    while block := file.read(_BLOCK_BYTES):
        content += block
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(content)


def _too_large(max_bytes: int) -> ModelError:
    return ModelError(f"expected at most max_bytes={max_bytes} bytes, got more")


def _read_stream(file: IO[bytes], name: str, max_bytes: int) -> dict[str, bytes]:
    """Read a tarball, or a bare file of centers."""
    is_gzip = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    if not is_gzip:
        return {f"{CENTERS_PREFIX}{name.removeprefix(CENTERS_PREFIX)}": _all_of(file, max_bytes)}
    try:
        with gzip.GzipFile(fileobj=file) as plain:
            bounded = _Bounded(plain, max_bytes)
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                files = _members(tar, max_bytes)
            # The checksum is the end of the file, which a tarball does not need.
            while bounded.read():
                pass
            return files
    except ModelError:
        raise
    except _ARCHIVE_ERRORS as cause:
        raise ModelError(f"expected a gzip-compressed tarball, got one that cannot be read: {cause}") from cause


def _members(tar: tarfile.TarFile, max_bytes: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for count, member in enumerate(tar, start=1):
        if count > _MAX_MEMBERS:
            raise ModelError(f"expected at most {_MAX_MEMBERS} members, got more")
        name = str(PurePosixPath(member.name))
        content = tar.extractfile(member) if member.isreg() and not member.issparse() and _is_wanted(name) else None
        if content is None:
            continue
        if name in files:
            raise ModelError(f"expected each name once, got {name!r} twice")
        files[name] = _all_of(content, max_bytes)
    return files


class _Bounded(io.RawIOBase):
    """A stream that raises after a number of bytes, however few they are compressed."""

    def __init__(self, stream: gzip.GzipFile, max_bytes: int) -> None:
        self._stream, self._left, self._max_bytes = stream, max_bytes, max_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(_BLOCK_BYTES if size < 0 else min(size, _BLOCK_BYTES))
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._max_bytes)
        return data


def _read_object(address: str, max_bytes: int) -> dict[str, bytes]:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as cause:
        raise ModelError(f"{address}: expected boto3 for an address in S3: pip install boto3") from cause
    parts = urlsplit(address)
    key = parts.path.lstrip("/")
    if not parts.netloc or not key:
        raise ModelError(f"{address}: expected s3://BUCKET/KEY")
    try:
        answer = boto3.client("s3").get_object(Bucket=parts.netloc, Key=key)
        if answer["ContentLength"] > max_bytes:
            raise _too_large(max_bytes)
        with answer["Body"] as body:
            content = _all_of(body, max_bytes)
        return _read_stream(io.BytesIO(content), PurePosixPath(key).name, max_bytes)
    except (ModelError, BotoCoreError, ClientError) as cause:
        raise ModelError(f"{address}: {cause}") from cause
