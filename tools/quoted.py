"""The figures that the documentation quotes, as tables made from `benchmarks/results`."""

import json
from collections.abc import Mapping
from typing import Any

from tools.documents import ROOT
from tools.markdown import table

RESULTS = ROOT / "benchmarks/results"
# Data set, k and order of the rows -> the name in the table.
_QUOTED = {
    ("mnist10k.npz", 10, "shuffled"): "10,000 digits of MNIST",
    ("mnist10k.npz", 10, "by cluster"): "the same, sorted by class",
    ("ufo_locations.csv", 10, "shuffled"): "18,000 locations of UFO sightings",
    ("ufo_locations.csv", 10, "by feature"): "the same, sorted",
    ("outliers", 22, "shuffled"): "200,000 rows with two outliers",
    ("blobs500", 500, "shuffled"): "100,000 rows, many clusters",
}


def accuracy() -> str:
    """Return a table of the msd of models, as multiples of that of the best of ten runs on all rows."""
    entries = {(entry["data"], entry["k"]): entry for entry in _results("quality")}
    return table([_compared(entries[data, k], order, title) for (data, k, order), title in _QUOTED.items()])


def speed() -> str:
    """Return a table of a few speeds."""
    decoded = [float(entry["ours"]) for entry in _results("decode") if entry["file"].startswith("float32")]
    assigned = {entry["d x K"]: entry["ours"] for entry in _results("assign")}
    converted = {entry["file"]: entry for entry in _results("convert")}[".npy"]
    ready = {entry["server"]: entry["ready after s"] for entry in _results("serve-start")}["serve"]
    figures = {
        "decoding of RecordIO": ("decode", f"{min(decoded):.1f} to {max(decoded):.1f} GB/s"),
        "closest of 100 centers, for rows of 784 features": ("assign", _millions(assigned["784 x 100"])),
        "the same, for rows of 2 features": ("assign", _millions(assigned["2 x 100"])),
        "conversion of `.npy` to RecordIO": ("convert", f"{converted['to, MB/s']} MB/s"),
        "conversion of RecordIO to `.npy`": ("convert", f"{converted['from, MB/s']} MB/s"),
        "start of `serve` until it is ready": ("serve-start", f"{ready} s"),
    }
    return table(
        [
            {"What": what, "Measured": figure, "All figures": f"[{name}.md](../benchmarks/results/{name}.md)"}
            for what, (name, figure) in figures.items()
        ]
    )


def _compared(entry: Mapping[str, Any], order: str, title: str) -> dict[str, Any]:
    methods, best = entry["orders"][order], entry["baselines"]["best"]
    return {
        "Data": title,
        "k": entry["k"],
        "Here": f"{methods['ours']['mean'] / best:.4f}",
        "The built-in's recipe": f"{methods['recipe']['mean'] / best:.4f}",
    }


def _millions(rate: float) -> str:
    # Two digits, never with an exponent.
    return f"{float(format(rate, '.2g')):g} million rows/s"


def _results(name: str) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    results: list[dict[str, Any]] = content["results"]
    return results
