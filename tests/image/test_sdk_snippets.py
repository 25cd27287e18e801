"""The examples for version 2 of the SageMaker Python SDK, checked against the signatures of the real package."""

import ast
import importlib
import inspect
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.requirement import missing
from tools.documents import ROOT, section, snippets, text

PAGES = {
    "sdk.md": section(text(ROOT / "docs/sdk.md"), "Version 2"),
    "migration.md": text(ROOT / "docs/migration.md"),
}
# The SDK does not annotate the results of its methods: their classes, as documented.
RESULTS = {
    "Estimator.deploy": "sagemaker.predictor.Predictor",
    "Estimator.transformer": "sagemaker.transformer.Transformer",
    "MultiDataModel.deploy": "sagemaker.predictor.Predictor",
}


class Program:
    """Follows a program by its names: what it imports, the classes of its variables, and the arguments of its calls."""

    def __init__(self) -> None:
        self.imported: dict[str, Any] = {}
        self.made: dict[str, type] = {}
        self.calls = 0

    def read(self, code: str) -> None:
        """Raise TypeError, AttributeError or ImportError where the program would."""
        for statement in ast.parse(code).body:
            if isinstance(statement, ast.ImportFrom):
                module = importlib.import_module(statement.module or "")
                self.imported |= {alias.name: getattr(module, alias.name) for alias in statement.names}
            calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
            given = {call: self._call(call) for call in calls}
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
                (target,) = statement.targets
                assert isinstance(target, ast.Name)
                if kind := given[statement.value]:
                    self.made[target.id] = kind

    def _call(self, call: ast.Call) -> type | None:
        """Check a call; return the class of its result, if it is known."""
        self.calls += 1
        if isinstance(call.func, ast.Name):
            kind = self.imported[call.func.id]
            self._bind(kind, "__init__", call)
            return kind if isinstance(kind, type) else None
        assert isinstance(call.func, ast.Attribute)
        assert isinstance(call.func.value, ast.Name)
        kind = self.made[call.func.value.id]
        self._bind(kind, call.func.attr, call)
        module, _, name = RESULTS.get(f"{kind.__name__}.{call.func.attr}", "").rpartition(".")
        return getattr(importlib.import_module(module), name) if module else None

    def _bind(self, kind: type, method: str, call: ast.Call) -> None:
        names = {keyword.arg: None for keyword in call.keywords if keyword.arg}
        inspect.signature(getattr(kind, method)).bind(None, *call.args, **names)
        # Further keyword arguments are passed on to the base class.
        known = {name for base in kind.__mro__ if method in vars(base) for name in _parameters(vars(base)[method])}
        if unknown := set(names) - known:
            raise TypeError(f"{kind.__name__}.{method} has no parameters {unknown}")


def _parameters(function: Any) -> Iterator[str]:
    return iter(inspect.signature(function).parameters) if inspect.isfunction(function) else iter(())


@pytest.fixture(autouse=True)
def _quiet_sdk() -> Iterator[None]:
    if find_spec("sagemaker") is None:
        missing("the SageMaker SDK is not installed; `make test-container` installs it")
    with warnings.catch_warnings():
        # On import it warns of its own end of support, and of its dependencies.
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("page", PAGES)
def test_every_call_is_one_that_the_sdk_takes(page: str) -> None:
    program = Program()
    for snippet in snippets(PAGES[page], "python"):
        program.read(snippet)
    assert program.calls >= 2


@pytest.mark.parametrize(
    "code",
    [
        "from sagemaker.estimator import Estimate",
        "from sagemaker.estimator import Estimator\nEstimator(image='x')",
        "from sagemaker.estimator import Estimator\nEstimator(image_uri='x', checkpoint_uri='x')",
        "from sagemaker.estimator import Estimator\ne = Estimator(image_uri='x')\ne.fit(input='x')",
        "from sagemaker.estimator import Estimator\ne = Estimator(image_uri='x')\ne.train()",
        "from sagemaker.estimator import Estimator\ne = Estimator('x')\nt = e.transformer(1, 'x')\nt.transform(form=1)",
    ],
)
def test_the_check_finds_faults(code: str) -> None:
    with pytest.raises((TypeError, AttributeError, ImportError)):
        Program().read(code)
