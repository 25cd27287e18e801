"""Run benchmarks by name, or all of them: `make bench`, `make bench ARGS=assign`."""

import argparse
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import assign, convert, decode, profile, scale, start, train
from benchmarks.measure import machine, page

RESULTS = Path(__file__).parent / "results"
BENCHMARKS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "assign": assign.run,
    "decode": decode.run,
    "convert": convert.run,
    "train": train.run,
    "profile": profile.run,
    "scale": scale.run,
    "start": start.run,
}


def main() -> None:
    """Measure, print a table each, and keep figures and machine in `results/`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all by default")
    names = parser.parse_args().names or list(BENCHMARKS)
    for unknown in (name for name in names if name not in BENCHMARKS):
        parser.error(f"expected one of {', '.join(BENCHMARKS)}, got {unknown!r}")
    facts = machine()
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        rows = BENCHMARKS[name]()
        title = inspect.getdoc(sys.modules[f"benchmarks.{name}"]) or name
        text = page(title, BENCHMARKS[name], rows, facts)
        (RESULTS / f"{name}.md").write_text(text)
        (RESULTS / f"{name}.json").write_text(json.dumps({"machine": facts, "results": rows}, indent=2) + "\n")
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
