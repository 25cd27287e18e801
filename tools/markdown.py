"""Tables in Markdown."""

from typing import Any


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows that all have the same keys as a table."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(row[head]) for head in heads) + " |" for row in rows]
    return "\n".join(lines) + "\n"
