"""The same release number is stated everywhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kmeans import __version__
from tools.documents import ROOT, text
from tools.generated import STATED_RELEASES


@pytest.mark.parametrize("file", STATED_RELEASES, ids=lambda file: file.name)
def test_files_state_the_release(file: Path) -> None:
    assert STATED_RELEASES[file].findall(text(file)) == [__version__]


def test_the_changelog_ends_with_the_release_or_what_follows_it() -> None:
    newest, *_ = re.findall(r"^## \[(.*)\]", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert newest in (__version__, "Unreleased")


@pytest.mark.parametrize("program", ["train", "serve"])
def test_programs_say_their_release_and_touch_nothing(tmp_path: Path, program: str) -> None:
    base = tmp_path / "base"
    done = subprocess.run(
        [sys.executable, ROOT / program, "--version"],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sagemaker-kmeans {__version__}\n", "")
    assert not base.exists()


@pytest.mark.parametrize("command", ["algorithm", "convert", "resolve"])
def test_commands_say_their_release(command: str) -> None:
    arguments = [sys.executable, "-m", f"container.{command}", "--version"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"sagemaker-kmeans {__version__}\n"
