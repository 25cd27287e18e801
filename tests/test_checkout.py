"""The files of a clone if Git converts line ends, as it does by default on Windows."""

import os
import subprocess
from pathlib import Path

import pytest

from tools.documents import ROOT

BINARY = {".png"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clone")
    subprocess.run(
        ["git", "clone", "--quiet", "-c", "core.autocrlf=true", str(ROOT), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return path


def test_no_text_has_line_ends_of_windows(clone: Path) -> None:
    files = [file for file in clone.rglob("*") if file.is_file() and ".git" not in file.relative_to(clone).parts]
    texts = {str(file.relative_to(clone)): file.read_bytes() for file in files if file.suffix not in BINARY}
    assert {"train", "serve", "Dockerfile", "Makefile", ".ci/run", "container/build_and_push.sh"} <= texts.keys()
    assert [name for name, content in texts.items() if b"\r" in content] == []
    assert [name for name, content in texts.items() if b"\0" in content] == []


def test_binary_files_are_as_they_were_committed(clone: Path) -> None:
    pictures = [file for file in clone.rglob("*") if file.suffix in BINARY]
    assert pictures
    assert all(file.read_bytes() == (ROOT / file.relative_to(clone)).read_bytes() for file in pictures)


def test_what_the_image_starts_is_executable_and_named_to_the_kernel(clone: Path) -> None:
    for name in ("train", "serve"):
        assert (clone / name).read_bytes().startswith(b"#!/usr/bin/env python3\n")
        assert os.access(clone / name, os.X_OK)
