"""Run benchmarks by name, or all of them: `make bench`, `make bench ARGS=assign`."""

import argparse
import importlib
import inspect
import json
import sys

from benchmarks.measure import RESULTS, machine, page

# Imported when they are run, since they need different packages.
BENCHMARKS = ("assign", "decode", "convert", "train", "profile", "scale", "embeddings", "cores", "start")
# Only by name: needs an NVIDIA GPU.
GPU = "gpu"


def main() -> None:
    """Run the benchmarks; print their tables, and write figures and machine to `results/`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all by default; or {GPU}"
    )
    names = parser.parse_args().names or BENCHMARKS
    for unknown in (name for name in names if name not in (*BENCHMARKS, GPU)):
        parser.error(f"expected one of {', '.join((*BENCHMARKS, GPU))}, got {unknown!r}")
    facts = machine()
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        rows = benchmark.run()
        text = page(inspect.getdoc(benchmark) or name, benchmark.run, rows, facts)
        (RESULTS / f"{name}.md").write_text(text)
        (RESULTS / f"{name}.json").write_text(json.dumps({"machine": facts, "results": rows}, indent=2) + "\n")
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
