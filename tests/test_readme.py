"""What the README says is so."""

import ast
import re
import subprocess

import pytest

from container.hyperparameters import markdown_table
from tests import readme

ROOT = readme.PATH.parent


def test_its_table_of_hyperparameters_is_that_of_the_code() -> None:
    assert readme.table() == markdown_table(), "run `make readme`"


@pytest.mark.parametrize("snippet", readme.snippets("shell"))
def test_its_shell_snippets_are_of_valid_syntax(snippet: str) -> None:
    subprocess.run(["bash", "-n"], input=snippet, text=True, check=True)


@pytest.mark.parametrize("snippet", readme.snippets("python"))
def test_its_python_snippets_are_of_valid_syntax(snippet: str) -> None:
    """The tests of the image run them."""
    assert ast.parse(snippet).body


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_verb_named_is_one_of_makes(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    verbs = re.findall(r"^make (\S+)", listed.stdout, re.MULTILINE)
    named = re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)
    assert named
    assert set(named) <= set(verbs)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_within_the_repository_leads_to_a_file(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert all((ROOT / target).is_file() for target in targets)
