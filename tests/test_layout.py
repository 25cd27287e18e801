"""Imports go one way, as CONTRIBUTING says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.documents import ROOT

# Package -> the packages of this repository that it may import.
ALLOWED = {
    "kmeans": set(),
    "container": {"kmeans"},
    "tools": {"kmeans", "container"},
    "benchmarks": {"kmeans", "container", "tools"},
    "tests": {"kmeans", "container", "tools", "benchmarks"},
}


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    forbidden = ALLOWED.keys() - ALLOWED[package] - {package}
    assert {str(module): found for module in modules if (found := forbidden & set(imported(module)))} == {}
