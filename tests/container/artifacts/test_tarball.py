import gzip
import io
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from container.artifacts.tarball import MAX_MEMBERS, TarballError, read, write

MIB = 1 << 20


def everything(name: str) -> bool:
    return bool(name)


def member(name: str, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for info, content in members:
            info.size = info.size or len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def put(folder: Path, data: bytes) -> Path:
    path = folder / "model.tar.gz"
    path.write_bytes(data)
    return path


def message(folder: Path, data: bytes, max_bytes: int = MIB) -> str:
    with pytest.raises(TarballError) as caught:
        read(put(folder, data), everything, max_bytes)
    return str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"b": b"bee", "a": b"x" * 3000, "empty": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in contents]


def test_what_is_written_is_read(tmp_path: Path, files: list[Path]) -> None:
    write(tmp_path / "model.tar.gz", files)
    assert read(tmp_path / "model.tar.gz", everything, MIB) == {file.name: file.read_bytes() for file in files}
    assert read(tmp_path / "model.tar.gz", "b".__eq__, MIB) == {"b": b"bee"}


def test_no_other_bytes_than_were_written_are_read(tmp_path: Path, files: list[Path]) -> None:
    write(tmp_path / "model.tar.gz", files)
    whole = (tmp_path / "model.tar.gz").read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 16
        # In the head of a gzip file are a time and a system, which are no part of its checksum.
        with pytest.raises(TarballError) if position > 10 else suppress(TarballError):
            read(put(tmp_path, bytes(damaged)), everything, MIB)


def test_equal_files_give_equal_bytes_whatever_their_order_times_and_modes(tmp_path: Path, files: list[Path]) -> None:
    write(tmp_path / "one.tar.gz", files)
    for file in files:
        os.utime(file, (1, 1))
        file.chmod(0o600)
    write(tmp_path / "other.tar.gz", reversed(files))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "other.tar.gz").read_bytes()


def test_nothing_tells_when_where_or_by_whom_it_was_made(tmp_path: Path, files: list[Path]) -> None:
    write(tmp_path / "model.tar.gz", files)
    assert (tmp_path / "model.tar.gz").read_bytes()[3:8] == bytes(5)
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        found = [(info.name, info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode) for info in tar]
    assert found == [(name, 0, 0, 0, "", "", 0o644) for name in ("a", "b", "empty")]


def test_a_dot_before_the_name_is_no_part_of_it(tmp_path: Path) -> None:
    data = packed((member(".", type=tarfile.DIRTYPE), b""), (member("./a"), b"1"), (member("folder/a"), b"2"))
    assert read(put(tmp_path, data), everything, MIB) == {"a": b"1", "folder/a": b"2"}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (member("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "got a link or a file with holes, 'a'"),
        (member("a", type=tarfile.LNKTYPE, linkname="b"), "got a link or a file with holes, 'a'"),
        (member("../a"), "would be extracted to '/a', which is outside the destination"),
        (member("a", type=tarfile.CHRTYPE), "'a' is a special file"),
        (member("a", type=tarfile.FIFOTYPE), "'a' is a special file"),
    ],
    ids=["link", "hard link", "outside", "device", "FIFO"],
)
def test_members_that_are_not_to_be_trusted(tmp_path: Path, info: tarfile.TarInfo, expected: str) -> None:
    assert expected in message(tmp_path, packed((info, b"")))


def test_a_file_with_holes_cannot_be_larger_than_its_bytes(tmp_path: Path) -> None:
    headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a", "GNU.sparse.map": "0,1"}
    info = member("a", pax_headers=headers | {"GNU.sparse.size": str(2**50)})
    assert message(tmp_path, packed((info, b"1"))).endswith("got a link or a file with holes, 'a'")


def test_a_duplicate_name_is_refused(tmp_path: Path) -> None:
    data = packed((member("a"), b"1"), (member("./a"), b"2"))
    assert message(tmp_path, data) == "expected each name once, got 'a' twice"


def test_too_many_members(tmp_path: Path) -> None:
    data = packed(*((member(str(index)), b"") for index in range(MAX_MEMBERS + 1)))
    assert message(tmp_path, data) == f"expected at most {MAX_MEMBERS} members, got more"


@pytest.mark.parametrize("name", ["a", "not wanted"])
def test_more_bytes_than_allowed_however_well_they_compress(tmp_path: Path, name: str) -> None:
    data = packed((member(name), bytes(2 * MIB)))
    assert len(data) < 10_000
    with pytest.raises(TarballError, match="expected at most 1048576 bytes uncompressed, got more"):
        read(put(tmp_path, data), "a".__eq__, MIB)


def test_a_header_that_is_itself_a_bomb(tmp_path: Path) -> None:
    data = packed((member("a", pax_headers={"comment": "x" * 2 * MIB}), b""))
    assert message(tmp_path, data) == "expected at most 1048576 bytes uncompressed, got more"


def header_with_size(size: int) -> bytes:
    info = member("a")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"no gzip",
        lambda: gzip.compress(b"no tarball" * 100),
        lambda: gzip.compress(header_with_size(2**60) + b"1"),
        lambda: packed((member("a"), b"1" * 2000))[:-20],
        lambda: packed((member("a"), os.urandom(2000)))[:1000],
    ],
    ids=["empty", "no gzip", "no tarball", "a size that lies", "no end", "torn"],
)
def test_what_is_no_tarball(tmp_path: Path, make: Callable[[], bytes]) -> None:
    assert message(tmp_path, make()).startswith("expected ")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=20), st.integers(0, 1600), st.integers(0, 20))
def test_any_bytes_give_members_or_the_error(tmp_path: Path, middle: bytes, start: int, dropped: int) -> None:
    plain = gzip.decompress(packed((member("a", pax_headers={"comment": "x"}), b"1"), (member("b"), b"2")))
    data = gzip.compress(plain[:start] + middle + plain[start + dropped :], compresslevel=1)
    with suppress(TarballError):
        read(put(tmp_path, data), everything, MIB)


def test_members_that_are_skipped_may_be_larger_but_not_those_that_are_read(tmp_path: Path) -> None:
    path = put(tmp_path, packed((member("large"), b"x" * 3 * MIB), (member("small"), b"y" * 1000)))
    assert read(path, "small".__eq__, MIB, max_skipped_bytes=4 * MIB) == {"small": b"y" * 1000}
    with pytest.raises(TarballError, match=f"expected at most {MIB} bytes uncompressed, got more"):
        read(path, "small".__eq__, MIB)
    for wanted in ("large".__eq__, everything):
        with pytest.raises(TarballError, match=f"expected at most {MIB} bytes to read, got more"):
            read(path, wanted, MIB, max_skipped_bytes=4 * MIB)
