"""The pages state what is true. Tests of the image run the README's program; `test_troubleshooting` checks its page."""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from container.logs.metrics import REGEXES
from tools import generated
from tools.documents import PAGES, ROOT, all_snippets, snippets, text

SOURCES = [
    path
    for folder in ("container", "kmeans", "sagemaker_kmeans", "benchmarks", "tools")
    for path in (ROOT / folder).rglob("*.py")
]


@pytest.mark.parametrize("part", generated.PARTS)
def test_what_is_made_from_code_and_figures_is_up_to_date(part: str) -> None:
    _, make = generated.PARTS[part]
    assert generated.written(part) == make(), "run `make readme`"


@pytest.mark.parametrize("snippet", all_snippets("shell"))
def test_shell_snippets_are_of_valid_syntax(snippet: str) -> None:
    subprocess.run(["bash", "-n"], input=snippet, text=True, check=True)


@pytest.mark.parametrize("snippet", all_snippets("python"))
def test_python_snippets_are_of_valid_syntax(snippet: str) -> None:
    assert ast.parse(snippet).body


@pytest.mark.parametrize("snippet", all_snippets("json"))
def test_json_snippets_are_of_valid_syntax(snippet: str) -> None:
    assert json.loads(snippet)


def test_no_snippet_is_of_a_language_that_is_not_checked() -> None:
    languages = {found for page in PAGES.values() for found in re.findall(r"^```(\w+)$", text(page), re.MULTILINE)}
    assert languages == {"shell", "python", "json", "text"}


@pytest.mark.parametrize("page", PAGES)
def test_every_target_named_is_one_of_makes(page: str) -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    targets = re.findall(r"^make (\S+)", listed.stdout, re.MULTILINE)
    assert targets
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text(PAGES[page]), re.MULTILINE)) <= set(targets)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_repository_leads_to_a_file(page: str) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text(PAGES[page])) if "://" not in target]
    assert [target for target in targets if not (PAGES[page].parent / target).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_heading_leads_to_one(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text(PAGES[page])):
        headings = re.findall(r"^#+ (.*)", text(PAGES[page].parent / target if target else PAGES[page]), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_path_of_the_repository_named_is_there(page: str) -> None:
    named = re.findall(r"`((?:container|kmeans|benchmarks|requirements|tests|tools|docs)/[\w./-]*)`", text(PAGES[page]))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_variable_and_module_named_is_one_of_the_programs(page: str) -> None:
    code = "".join(text(path) for path in SOURCES)
    variables = set(re.findall(r"\b(?:SAGEMAKER_\w+)", text(PAGES[page])))
    assert {name for name in variables if name not in code} == set()
    modules = set(re.findall(r"python -m (container\.\w+|benchmarks\.\w+)", text(PAGES[page])))
    assert {name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").is_file()} == set()


def test_the_picture_of_the_design_names_modules_that_there_are() -> None:
    picture = ROOT / "docs/design.svg"
    drawn = "".join(ElementTree.fromstring(text(picture)).itertext())
    named = set(re.findall(r"\w+\.py", drawn))
    assert named
    assert named <= {path.name for path in SOURCES}


def test_the_metrics_are_those_of_the_program() -> None:
    (definitions,) = (json.loads(snippet) for snippet in all_snippets("json") if "Regex" in snippet)
    assert {entry["Name"]: entry["Regex"] for entry in definitions} == dict(REGEXES)
    quoted = re.findall(r'"Name": "(\S+)", "Regex": r"(.*?)"', "".join(all_snippets("python")))
    assert quoted
    assert all(REGEXES[name] == regex for name, regex in quoted)


def test_the_commands_that_need_neither_docker_nor_aws_run(tmp_path: Path) -> None:
    """Those for conversion in their order, and the algorithm resource as it is printed."""
    np.save(tmp_path / "rows.npy", np.ones((10, 3), np.float32))
    pages = (ROOT / "README.md", ROOT / "docs/inference.md")
    blocks = [snippet for page in pages for snippet in snippets(text(page), "shell")]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line)[1:] for line in lines if re.search(r"-m container\.(convert|algorithm) ", line)]
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "rows.csv").is_file()
