"""The parts of files that are generated from code and measured figures; `make readme` updates them."""

import re
from collections.abc import Callable
from pathlib import Path

from container.configuration.hyperparameters import markdown_table
from kmeans import __version__
from tools import python_hyperparameters, quoted
from tools.documents import README, ROOT, text

_MIGRATION = ROOT / "docs/migration.md"
# By the name in the markers: the page or module, and the function that generates the part.
PARTS: dict[str, tuple[Path, Callable[[], str]]] = {
    "hyperparameters": (README, markdown_table),
    "table": (ROOT / "sagemaker_kmeans/hyperparameters.py", python_hyperparameters.table),
    "accuracy": (_MIGRATION, quoted.accuracy),
    "speed": (_MIGRATION, quoted.speed),
}
# Files that state the release but cannot read it from the package, and where they state it.
STATED_RELEASES: dict[Path, re.Pattern[str]] = {
    ROOT / "Dockerfile": re.compile(r'(?<=image\.version=")[^"]*(?=")'),
    ROOT / "container/serving/openapi.json": re.compile(r'(?<="version": ")[^"]*(?=")'),
    ROOT / "sagemaker_kmeans/__init__.py": re.compile(r'(?<=__version__ = ")[^"]*(?=")'),
}


def written(name: str) -> str:
    """Return a part as its page has it, without the blank lines around it."""
    page, _ = PARTS[name]
    found = _marked(name).search(text(page))
    assert found, f"{page} has lost the markers of {name!r}"
    return found[2].strip() + "\n"


def update(name: str) -> None:
    """Generate a part again and write it to its page."""
    page, make = PARTS[name]
    page.write_text(_marked(name).sub(lambda found: f"{found[1]}\n{make()}\n{found[3]}", text(page)), encoding="utf-8")


def _marked(name: str) -> re.Pattern[str]:
    # In a module, the markers are comments.
    return re.compile(rf"(?<=\n)((?:# )?<!-- {name}:[^\n]* -->\n)(.*?)((?:# )?<!-- /{name} -->\n)", re.DOTALL)


if __name__ == "__main__":
    for part in PARTS:
        update(part)
    for file, stated in STATED_RELEASES.items():
        file.write_text(stated.sub(__version__, text(file)), encoding="utf-8")
