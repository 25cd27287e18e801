"""The pages of the documentation, and parts of them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_PLACES = ("*.md", "docs/*.md", "sagemaker_kmeans/*.md")
PAGES = {str(path.relative_to(ROOT)): path for place in _PLACES for path in sorted(ROOT.glob(place))}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def snippets(content: str, language: str) -> list[str]:
    """Return the code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", content, re.MULTILINE | re.DOTALL)


def all_snippets(language: str) -> list[str]:
    return [snippet for page in PAGES.values() for snippet in snippets(text(page), language)]


def section(content: str, title: str) -> str:
    """Return the text below a heading of the second level, up to the next one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", content, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {title!r}"
    return found[1]
