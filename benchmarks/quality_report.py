"""The page with the results of the quality benchmark."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from benchmarks import quality_cosine, quality_suggestion
from benchmarks.quality_targets import LIMITS, MEAN, MEAN_AT_SAME_OPTIMUM, SAME_OPTIMUM, judge_all
from tools.markdown import table


def report(summary: str, content: Mapping[str, Any]) -> str:
    """Return the results as Markdown.

    Parameters
    ----------
    summary : str
        A title, an empty line, and a description of the measurements.
    content : Mapping of str to Any
        `machine`, and `results`: entries with their `targets`.

    Returns
    -------
    str
    """
    results = content["results"]
    others = [row for entry in results for row in _rows_with_others(entry)]
    other_k = [row for entry in results for row in _rows_of_other_k(entry)]
    drifting = [_row_of_drift(entry) for entry in results if "drift" in entry]
    parts = [
        f"# {summary}",
        _summary(results),
        "## Compared with full Lloyd runs\n\n"
        "Lloyd is scikit-learn's KMeans on all rows in float64, from k-means++, until nothing changes. The other "
        "columns are multiples of its best run, of ten, or of three with 25 iterations if it takes long.",
        table([_row(entry, order) for entry in results for order in entry["orders"]]),
    ]
    if others:
        parts += ["## Compared with other methods\n\nMeans, as multiples of the same best run.", table(others)]
    parts += [
        "## The figures in `kmeans.json`\n\n"
        "The largest relative error of its msd, over the seeds, for jobs with default hyperparameters and for jobs "
        "that write no assignments.",
        table([_row_of_statements(entry) for entry in results]),
    ]
    if other_k:
        parts += [
            "## Other k\n\n"
            "The mean msd of models solved from the output of a job for k or from its model alone, and the estimate in "
            "its `msd_by_k.json`, compared with that of models trained for the other k.",
            table(other_k),
        ]
    if drifting:
        parts += [
            "## Drift\n\nThe msd on the newest 10 % of a stream's rows, with `half_life_time_size`.",
            table(drifting),
        ]
    if content.get("cosine"):
        parts.append(quality_cosine.section(content["cosine"]))
    if content.get("suggestions"):
        parts.append(quality_suggestion.section(content["suggestions"]))
    parts += ["## Targets", _limits()]
    parts.append(", ".join(f"{name} {value}" for name, value in content["machine"].items()))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _row(entry: Mapping[str, Any], order: str) -> dict[str, Any]:
    best, ours, seconds = entry["baselines"]["best"], entry["orders"][order]["ours"], entry["seconds"]
    first = order == next(iter(entry["orders"]))
    return {
        "data": f"{entry['data']}, {order}",
        "k": entry["k"],
        "n x d": f"{entry['n']} x {entry['d']}",
        "best Lloyd": f"{best:.6g}",
        "ours": _ratio(ours["mean"] / best),
        "ours, worst": _ratio(ours["worst"] / best),
        "Lloyd's mean": _ratio(entry["baselines"]["kmeans"]["mean"] / best),
        "seeds": len(ours["msd"]),
        "ours, s": f"{ours['seconds']:.1f}",
        "time / earlier": _ratio(seconds["ours"] / seconds["earlier"]) if first and "earlier" in seconds else "",
        "misses": _misses(entry, order),
    }


def _rows_with_others(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    others = entry["baselines"]
    if "faiss" not in others:
        return []
    best, seconds = others["best"], entry["seconds"]
    return [
        {
            "data": f"{entry['data']}, {order}",
            "k": entry["k"],
            "ours": _ratio(methods["ours"]["mean"] / best),
            "recipe": _ratio(methods["recipe"]["mean"] / best) if "recipe" in methods else "",
            "MiniBatchKMeans": (
                _ratio(others["minibatch"][order]["mean"] / best) if order in others["minibatch"] else ""
            ),
            "faiss": _ratio(others["faiss"]["mean"] / best),
            "faiss, s": f"{seconds['faiss']:.1f}" if "faiss" in seconds else "",
        }
        for order, methods in entry["orders"].items()
    ]


def _row_of_statements(entry: Mapping[str, Any]) -> dict[str, Any]:
    by_default = [statement for methods in entry["orders"].values() for statement in methods["ours"]["stated"]]
    estimated = entry["estimated"]["stated"] if entry["estimated"] else []
    return {
        "data": entry["data"],
        "k": entry["k"],
        "by default": _error(by_default),
        "without assignments": _error(estimated),
        "rows elsewhere": max(round(statement["rows elsewhere"]) for statement in by_default),
        "misses": _misses(entry, "no assignments"),
    }


def _error(stated: list[Mapping[str, Any]]) -> str:
    if not stated:
        return ""
    worst = max((statement["msd"] for statement in stated), key=abs)
    exact = sum(statement["exact"] for statement in stated)
    kind = "exact" if exact == len(stated) else "estimate" if not exact else f"{exact} of {len(stated)} exact"
    return f"{worst:+.1e} ({kind})"


def _rows_of_other_k(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "data": entry["data"],
            "k": entry["k"],
            "other k": other["k"],
            "trained": f"{other['trained']['mean']:.6g}",
            "solved / trained": _ratio(other["solved"]["mean"] / other["trained"]["mean"]),
            "from the model alone": _ratio(other["from model"]["mean"] / other["trained"]["mean"]),
            "estimated / trained": _ratio(fmean(estimated) / other["trained"]["mean"]) if estimated else "",
            "trained, s": f"{other['trained']['seconds']:.1f}",
            "solved, s": f"{other['solved']['seconds']:.1f}",
            "misses": _misses(entry, f"k = {other['k']}"),
        }
        for other in entry["other k"]
        for estimated in [other.get("estimated")]
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


def _summary(results: list[Mapping[str, Any]]) -> str:
    """Return the number of targets that hold, and a list of those that do not."""
    overall = judge_all(results)
    judged = [(f"{entry['data']}, k = {entry['k']}", target) for entry in results for target in entry["targets"]]
    judged += [("all data", overall)] if overall else []
    missed = [
        f"- {data}, {target['case']}: {target['target']} is {_figure(target['figure'])}, over {target['limit']:g}"
        for data, target in judged
        if not target["holds"]
    ]
    line = f"{len(judged) - len(missed)} of {len(judged)} targets hold."
    if overall:
        line += f" The {overall['target']} is {_ratio(overall['figure'])}."
    return "\n".join([line, "", *missed])


def _limits() -> str:
    rows = [{"target": target, "at most": f"{limit:g}"} for target, limit in LIMITS.items()]
    same = f"{MEAN}, if our best run is within {SAME_OPTIMUM:g} of Lloyd's: both found the same optimum"
    return table([*rows, {"target": same, "at most": f"{MEAN_AT_SAME_OPTIMUM:g}"}])


def _figure(value: float) -> str:
    return _ratio(value) if value >= 0.1 else f"{value:.1e}"


def _ratio(value: float) -> str:
    return f"{value:.4f}"
