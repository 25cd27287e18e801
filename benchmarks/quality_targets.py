"""The targets of the quality benchmark, and which of them are met."""

from collections.abc import Iterable, Mapping
from statistics import geometric_mean
from typing import Any

MEAN, WORST, GEOMETRIC_MEAN = "mean / best", "worst / best", "geometric mean of mean / best"
SORTED = "sorted / shuffled"
TIME_STAMPS, SERVED = "time stamps, worst / best", "time stamps, served / best"
DISTANCES = "time stamps, mean error of served squares"
EXACT, ELSEWHERE, MISSING = "error of an exact msd", "rows counted in a wrong cluster", "rows counted in no cluster"
ESTIMATE = "error of an estimated msd"
SOLVED = "solved / trained"
MINIBATCH, DECAY = "mean / MiniBatchKMeans", "decay / no decay"
EARLIER, FAISS = "seconds / earlier", "seconds / faiss"

# The upper limit of each figure. "best" is that of full Lloyd runs.
LIMITS: Mapping[str, float] = {
    MEAN: 1.0,
    WORST: 1.005,
    GEOMETRIC_MEAN: 0.975,
    SORTED: 1.005,
    TIME_STAMPS: 1.01,
    SERVED: 1.01,
    DISTANCES: 0.01,
    # The msd sums as many numbers as there are rows, in another order; float32 rows themselves are exact.
    EXACT: 1e-9,
    ELSEWHERE: 0.0,
    MISSING: 0.0,
    ESTIMATE: 0.01,
    SOLVED: 1.01,
    MINIBATCH: 1.0,
    DECAY: 0.8,
    EARLIER: 1.1,
    FAISS: 1.0,
}
# If our best model and Lloyd's are this close, both found the same optimum, and a mean cannot be below it.
SAME_OPTIMUM = 1e-3
MEAN_AT_SAME_OPTIMUM = 1.002
# A weight that was summed up in float32 may be wrong by this fraction of the rows.
ROUNDING_ROWS = 1e-6


def judge(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare the figures of a data set and k with the targets.

    Parameters
    ----------
    entry : Mapping of str to Any
        Figures, as measured by `benchmarks.quality`.

    Returns
    -------
    list of dict
        For each target its `case`, `target`, `figure`, `limit`, and whether it `holds`.
    """
    others = entry["baselines"]
    best = others["best"]
    first = next(iter(entry["orders"].values()))["ours"]
    targets = []
    for order, methods in entry["orders"].items():
        ours = methods["ours"]
        if entry["float32"]:
            same = abs(ours["best"] / best - 1) <= SAME_OPTIMUM
            targets += [
                _held(order, MEAN, ours["mean"] / best, MEAN_AT_SAME_OPTIMUM if same else LIMITS[MEAN]),
                _held(order, WORST, ours["worst"] / best),
            ]
        else:
            targets.append(_held(order, TIME_STAMPS, ours["worst"] / best))
        if "served" in methods:
            targets.append(_held(order, SERVED, methods["served"]["msd"] / best))
            targets.append(_held(order, DISTANCES, methods["served"]["distances"]))
        if order in others["minibatch"]:
            targets.append(_held(order, MINIBATCH, ours["mean"] / others["minibatch"][order]["mean"]))
        if ours is not first and entry["float32"]:
            targets.append(_held(order, SORTED, ours["mean"] / first["mean"]))
        targets += _judge_statements(order, ours["stated"], entry["n"])
    if entry["estimated"]:
        targets += _judge_statements("no assignments", entry["estimated"]["stated"], entry["n"])
    if "drift" in entry:
        drift = entry["drift"]
        targets.append(_held("newest rows", DECAY, drift["with decay"]["mean"] / drift["without decay"]["mean"]))
    for other in entry["other k"]:
        targets.append(_held(f"k = {other['k']}", SOLVED, other["solved"]["mean"] / other["trained"]["mean"]))
    seconds = entry["seconds"]
    for name, target in (("earlier", EARLIER), ("faiss", FAISS)):
        if name in seconds:
            targets.append(_held("time", target, seconds["ours"] / seconds[name]))
    return targets


def judge_all(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Compare the geometric mean over all data sets and k with its target; None if there is no data set."""
    ratios = [
        next(iter(entry["orders"].values()))["ours"]["mean"] / entry["baselines"]["best"]
        for entry in entries
        if entry["float32"]
    ]
    return _held("all", GEOMETRIC_MEAN, geometric_mean(ratios)) if ratios else None


def _judge_statements(case: str, stated: list[Mapping[str, Any]], n: int) -> list[dict[str, Any]]:
    """Compare the figures that models state about the training rows, with the worst of the seeds."""
    targets = []
    exact = [statement for statement in stated if statement["exact"]]
    if exact:
        targets += [
            _held(case, EXACT, max(abs(statement["msd"]) for statement in exact)),
            _held(case, ELSEWHERE, max(statement["rows elsewhere"] for statement in exact)),
        ]
    if estimated := [abs(statement["msd"]) for statement in stated if not statement["exact"]]:
        targets.append(_held(case, ESTIMATE, max(estimated)))
    missing = max(abs(n - statement["rows"]) for statement in stated)
    targets.append(_held(case, MISSING, missing if missing > ROUNDING_ROWS * n else 0.0))
    return targets


def _held(case: str, target: str, figure: float, limit: float | None = None) -> dict[str, Any]:
    limit = LIMITS[target] if limit is None else limit
    return {"case": case, "target": target, "figure": figure, "limit": limit, "holds": figure <= limit}
