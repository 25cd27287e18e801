"""What files say that is made from code and from measured figures; run as a program, it renews them."""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks import quoted
from container.configuration.hyperparameters import markdown_table
from kmeans import __version__
from tests.documents import README, ROOT, text

_MIGRATION = ROOT / "docs/migration.md"
# By the name that its markers bear: the page, and what makes it.
PARTS: dict[str, tuple[Path, Callable[[], str]]] = {
    "hyperparameters": (README, markdown_table),
    "accuracy": (_MIGRATION, quoted.accuracy),
    "speed": (_MIGRATION, quoted.speed),
}
# Files that state the release and can't read it, and where they do.
STATED_RELEASES: dict[Path, re.Pattern[str]] = {
    ROOT / "Dockerfile": re.compile(r'(?<=image\.version=")[^"]*(?=")'),
    ROOT / "container/serving/openapi.json": re.compile(r'(?<="version": ")[^"]*(?=")'),
    ROOT / "sagemaker_kmeans/__init__.py": re.compile(r'(?<=__version__ = ")[^"]*(?=")'),
}


def written(name: str) -> str:
    """Give a part as it stands in its page, without the blank line before and after it."""
    page, _ = PARTS[name]
    found = _marked(name).search(text(page))
    assert found, f"{page} has lost the markers of {name!r}"
    return found[2].strip() + "\n"


def renew(name: str) -> None:
    page, make = PARTS[name]
    page.write_text(_marked(name).sub(lambda found: f"{found[1]}\n{make()}\n{found[3]}", text(page)), encoding="utf-8")


def _marked(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=\n)(<!-- {name}:[^\n]* -->\n)(.*?)(<!-- /{name} -->\n)", re.DOTALL)


if __name__ == "__main__":
    for part in PARTS:
        renew(part)
    for file, stated in STATED_RELEASES.items():
        file.write_text(stated.sub(__version__, text(file)), encoding="utf-8")
