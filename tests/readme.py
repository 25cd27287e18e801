"""The README's table of hyperparameters; run as a program, it renews the table from the code."""

import re

from container.hyperparameters import markdown_table
from tests.documents import README, text

_TABLE = re.compile(r"(?<=\n)(<!-- hyperparameters:[^\n]* -->\n)(.*?)(<!-- /hyperparameters -->\n)", re.DOTALL)


def table() -> str:
    """Give the table of hyperparameters, without the blank line before and after it."""
    found = _TABLE.search(text(README))
    assert found, "the README has lost the markers of its table of hyperparameters"
    return found[2].strip() + "\n"


def renew_table() -> None:
    renewed = _TABLE.sub(lambda found: f"{found[1]}\n{markdown_table()}\n{found[3]}", text(README))
    README.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    renew_table()
