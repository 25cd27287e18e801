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
    "sagemaker_kmeans": set(),
    "tools": {"kmeans", "container"},
    "benchmarks": {"kmeans", "container", "tools"},
    "tests": {"kmeans", "container", "sagemaker_kmeans", "tools", "benchmarks"},
}
# Module -> what it may import in addition: the estimator of scikit-learn, and its rows, train in their own process.
ALLOWED_MODULES = {
    ROOT / "sagemaker_kmeans" / name: {"kmeans"} for name in ("sklearn.py", "sklearn_settings.py", "memory_rows.py")
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
    found = {module: forbidden & set(imported(module)) - ALLOWED_MODULES.get(module, set()) for module in modules}
    assert {str(module): packages for module, packages in found.items() if packages} == {}
