"""Which targets the figures of quality meet, and the tables that show them."""

from collections.abc import Mapping
from typing import Any

from benchmarks.measure import table

# The most that a figure may be, by target.
LIMITS = {
    "mean / best of 10": 1.005,
    "worst / best of 10": 1.02,
    "sorted / shuffled": 1.01,
    "mean / MiniBatchKMeans": 1.0,
    "decay / no decay": 0.8,
    "solved / trained": 1.01,
}


def judge(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hold the figures of a data set against the targets.

    Parameters
    ----------
    entry : Mapping of str to Any
        As `benchmarks.quality` measures it.

    Returns
    -------
    list of dict
        `case`, `target`, `figure`, `limit` and whether it `holds`.
    """
    targets = []

    def add(case: str, target: str, figure: float) -> None:
        limit = LIMITS[target]
        targets.append({"case": case, "target": target, "figure": figure, "limit": limit, "holds": figure <= limit})

    baselines = entry["baselines"]
    first = next(iter(entry["orders"].values()))["ours"]
    for order, methods in entry["orders"].items():
        ours = methods["ours"]
        add(order, "mean / best of 10", ours["mean"] / baselines["best"])
        add(order, "worst / best of 10", ours["worst"] / baselines["best"])
        add(order, "mean / MiniBatchKMeans", ours["mean"] / baselines["minibatch"][order]["mean"])
        if ours is not first:
            add(order, "sorted / shuffled", ours["mean"] / first["mean"])
    if "drift" in entry:
        drift = entry["drift"]
        add("newest rows", "decay / no decay", drift["with decay"]["mean"] / drift["without decay"]["mean"])
    for other in entry["other k"]:
        add(f"k = {other['k']}", "solved / trained", other["solved"]["mean"] / other["trained"]["mean"])
    return targets


def report(summary: str, content: Mapping[str, Any]) -> str:
    """Give the results as Markdown.

    Parameters
    ----------
    summary : str
        What was measured: a title, an empty line, and more.
    content : Mapping of str to Any
        `machine`, and `results`: entries with their `targets`.
    """
    results = content["results"]
    parts = [
        f"# {summary}",
        "The columns of other methods are their means. Every msd but the first is given as a multiple of that one, the "
        "best of 10 runs of scikit-learn's KMeans on all rows.",
        table([row for entry in results for row in _rows(entry)]),
        "## Other k\n\nThe mean msd of models solved from the state of a run for k, beside that of runs for it.",
        table([row for entry in results for row in _rows_of_other_k(entry)]),
    ]
    drifting = [_row_of_drift(entry) for entry in results if "drift" in entry]
    if drifting:
        parts += [
            "## Drift\n\nThe msd on the newest 10 % of a stream's rows, with `half_life_time_size`.",
            table(drifting),
        ]
    parts += [
        "## Targets",
        _targets(results),
        ", ".join(f"{name} {value}" for name, value in content["machine"].items()),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _rows(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    baselines = entry["baselines"]
    best = baselines["best"]
    return [
        {
            "data": f"{entry['data']}, {order}",
            "n x d": f"{entry['n']} x {entry['d']}",
            "k": entry["k"],
            "best of 10": f"{best:.6g}",
            "ours": _ratio(methods["ours"]["mean"] / best),
            "ours, worst": _ratio(methods["ours"]["worst"] / best),
            "recipe": _ratio(methods["recipe"]["mean"] / best),
            "KMeans": _ratio(baselines["kmeans"]["mean"] / best),
            "MiniBatchKMeans": _ratio(baselines["minibatch"][order]["mean"] / best),
            "faiss": _ratio(baselines["faiss"]["mean"] / best),
            "seeds": len(methods["ours"]["msd"]),
            "ours, s": f"{methods['ours']['seconds']:.1f}",
            "KMeans, s": f"{baselines['kmeans']['seconds']:.1f}",
            "misses": _misses(entry, order),
        }
        for order, methods in entry["orders"].items()
    ]


def _rows_of_other_k(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "data": entry["data"],
            "k": entry["k"],
            "other k": other["k"],
            "trained": f"{other['trained']['mean']:.6g}",
            "solved / trained": _ratio(other["solved"]["mean"] / other["trained"]["mean"]),
            "trained, s": f"{other['trained']['seconds']:.1f}",
            "solved, s": f"{other['solved']['seconds']:.1f}",
            "misses": _misses(entry, f"k = {other['k']}"),
        }
        for other in entry["other k"]
    ]


def _row_of_drift(entry: Mapping[str, Any]) -> dict[str, Any]:
    best = entry["baselines"]["best on newest"]
    drift = entry["drift"]
    return {
        "data": entry["data"],
        "best of 10 on these rows alone": f"{best:.6g}",
        "without decay": f"{drift['without decay']['mean']:.6g}",
        "with decay": f"{drift['with decay']['mean']:.6g}",
        "with / without": _ratio(drift["with decay"]["mean"] / drift["without decay"]["mean"]),
        "with / best": _ratio(drift["with decay"]["mean"] / best),
        "misses": _misses(entry, "newest rows"),
    }


def _misses(entry: Mapping[str, Any], case: str) -> str:
    return ", ".join(target["target"] for target in entry["targets"] if target["case"] == case and not target["holds"])


def _targets(results: list[Mapping[str, Any]]) -> str:
    """Say how many targets hold, and list those that do not."""
    judged = [(entry["data"], target) for entry in results for target in entry["targets"]]
    missed = [
        f"- {data}, {target['case']}: {target['target']} is {_ratio(target['figure'])}, over {target['limit']}"
        for data, target in judged
        if not target["holds"]
    ]
    limits = "; ".join(f"{target} at most {limit}" for target, limit in LIMITS.items())
    return "\n".join([f"{limits}.\n\n{len(judged) - len(missed)} of {len(judged)} hold.\n", *missed])


def _ratio(value: float) -> str:
    return f"{value:.4f}"
