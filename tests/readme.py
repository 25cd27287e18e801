"""The README, as tests read it; run as a program, it renews the table that is made from code."""

import re
from pathlib import Path

from container.hyperparameters import markdown_table

PATH = Path(__file__).parents[1] / "README.md"
_TABLE = re.compile(r"(?<=\n)(<!-- hyperparameters:[^\n]* -->\n)(.*?)(<!-- /hyperparameters -->\n)", re.DOTALL)


def text() -> str:
    return PATH.read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    """Give the code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)


def table() -> str:
    """Give the table of hyperparameters, without the blank line before and after it."""
    found = _TABLE.search(text())
    assert found, "the README has lost the markers of its table of hyperparameters"
    return found[2].strip() + "\n"


def renew_table() -> None:
    PATH.write_text(_TABLE.sub(lambda found: f"{found[1]}\n{markdown_table()}\n{found[3]}", text()), encoding="utf-8")


if __name__ == "__main__":
    renew_table()
