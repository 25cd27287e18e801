"""Render the report: facts in, one HTML file out."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts.curve import indices, suggested
from container.files.atomic import replacing
from container.naming import feature_label
from container.report import figures as plots
from container.report import heat_map as heat_maps
from container.report import profile, quantiles
from container.report.facts import Facts
from container.report.formatting import duration, moment, number, percent, signed
from container.report.profile import Baseline, HeatMap
from container.report.projection import MAX_CENTERS, project
from kmeans.finalization.curve import Figures

NAME = "report.html"
PLOTLY = Path(__file__).parent / "plotly" / "plotly-basic.min.js"
# Clusters that are listed at first; the others can be unfolded.
LISTED_FIRST = 20
# Features that are listed for each cluster.
FEATURES_NAMED = 4
# Significant digits of a center; more if the numbers of all centers start with the same digits.
DIGITS, MAX_DIGITS = 5, 12
# Hosts that are named next to their number; a table names all of them.
HOSTS_NAMED = 2

EVENTS = {
    "reassigned_centers": "An intermediate center was reassigned to a row far from all centers.",
    "missing_centers": "An intermediate center was missing at the start: the first rows had too few distinct ones.",
    "centers_without_weight": "An intermediate center was ignored: no row was closest to it.",
    "relocated_clusters": "An empty cluster was moved to the farthest rows.",
    "centers_added_from_sample": "A center was made of a single row, because there were fewer than k distinct centers.",
    "coarse_features": "The values of a feature were rounded to float32, which is too coarse for them.",
    "checkpoints_failed": "A checkpoint was not written.",
    "tarball_failed": "model.tar.gz, for local use, was not written.",
    "sample_failed": "state.npz, with the sample, was not written.",
    "curve_failed": "msd_by_k.json was not written.",
    "finalization_cut_short": "The job was stopped while it searched for a better model: this is the best one so far.",
    "assignments_failed": "Not all files of assignments were written.",
    "distances_failed": "The rows could not be read again: the distances are those of the sample.",
    "closing_cut_short": "The job was stopped in or before a pass over all rows: this is the best model so far.",
    "closing_failed": "The rows could not be read again to make the model more exact.",
    "rows_changed": "The channel had different rows when it was read again.",
    "filled_rows": "The means of the features took the place of missing numbers in a row.",
    "dropped_rows": "A row with missing numbers was dropped.",
    "description_failed": "kmeans.json was not replaced: it still has the figures of the sample.",
}


def write(path: Path, facts: Facts) -> None:
    """Write the report.

    Parameters
    ----------
    path : Path
        The file; its folder is created if it does not exist.
    facts : Facts
        The data of the report. Text in it may come from outside: it is escaped.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    content = render(facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)


def render(facts: Facts) -> bytes:
    """Return the page in UTF-8; invalid characters of file names are written with backslashes."""
    # Imported here, since it is needed only at the end of a job.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    drawing = (folder / "draw.js").read_text(encoding="utf-8")
    plotly = PLOTLY.read_text(encoding="utf-8")
    context = _context(facts)
    environment = Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template("page.html").render(
        **context,
        # As a second line of defense, only the two scripts may run, and nothing may be loaded.
        policy=f"default-src 'none'; script-src {_hash(plotly)} {_hash(drawing)}; "
        "style-src 'unsafe-inline'; img-src data: blob:",
        style=(folder / "style.css").read_text(encoding="utf-8"),
        plotly=plotly,
        drawing=drawing,
        figures_json=script_json(context["figures"]),
    )
    return text.encode("utf-8", "backslashreplace")


def script_json(value: object) -> str:
    """Return JSON that is safe in a script: without the end of a script or a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(script: str) -> str:
    """Return the source expression of an inline script for a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _context(facts: Facts) -> dict[str, Any]:
    model = facts.model
    score = model.score
    n_clusters, n_features = model.centers.shape
    baseline = Baseline.of(model.state.sample)
    heat_map = profile.heat_map(model.centers, score.cluster_sizes, baseline)
    if facts.coordinates.origin is not None:
        absolute = facts.coordinates.absolute(model.centers[heat_map.clusters])
        heat_map = replace(heat_map, centers=absolute[:, heat_map.features])
    shares = score.cluster_sizes / (score.weight or 1.0)
    # NaN stands for a cluster of which no row was scored.
    spreads = np.sqrt(
        np.divide(
            score.cluster_ssds, score.cluster_sizes, out=np.full(n_clusters, np.nan), where=score.cluster_sizes > 0
        )
    )
    by_size = profile.largest(score.cluster_sizes, n_features, MAX_CENTERS)
    plane = project(model, by_size, facts.seed)
    if not facts.shows_rows:
        plane = replace(plane, rows=plane.rows[:0], labels=plane.labels[:0])
    figures = {
        "losses": plots.losses(facts.losses),
        "elbow": plots.elbow(model.curve, n_clusters),
        "sizes": plots.per_cluster(shares, "Share of the rows", 1 / n_clusters, "if all were equal", share=True),
        "spreads": plots.per_cluster(spreads, "Typical distance", float(np.sqrt(score.msd)), "all rows together"),
        "plane": plots.plane(plane, score.cluster_sizes, facts.feature_names),
    }
    whole = model.score_is_exact and len(plane.rows) == score.rows
    _, _, long_term = facts.losses.curve()
    return {
        "k": number(n_clusters),
        "n_clusters": n_clusters,
        "n_centers": number(len(model.state.centers)),
        "began": moment(facts.began),
        "tiles": _tiles(facts),
        "warnings": facts.warnings,
        "warnings_left_out": facts.warnings_left_out,
        "events": [(number(count), _event(name)) for name, count in sorted(facts.events.items())],
        "figures": {name: figure for name, figure in figures.items() if figure is not None},
        "first_loss": number(float(long_term[-1])) if len(long_term) else "",
        "suggested": suggested(model.curve),
        "curve": [_row_of_curve(one) for one in model.curve.figures],
        "few_clusters": n_clusters <= plots.MAX_BARS,
        "drawn": f"{'All' if whole else 'A sample of'} {number(len(plane.rows))} rows" if facts.shows_rows else "",
        "plane": plane,
        "standardized": facts.coordinates.scaled,
        "unit": facts.coordinates.unit,
        "heat_map_left_out": _left_out(heat_map, n_clusters, n_features),
        "heat_map": heat_maps.table(
            heat_map, DIGITS if facts.coordinates.origin is None else MAX_DIGITS, facts.feature_names
        ),
        "named": bool(facts.feature_names),
        "heat_map_colors": heat_maps.COLORS,
        "clusters": _clusters(facts, baseline, shares, spreads),
        "quantile_names": quantiles.NAMES,
        "quantiles": quantiles.table(facts),
        "distances_of_all": model.distances is not None and model.distances.exact,
        "n_first": LISTED_FIRST,
        "hyperparameters": sorted(facts.hyperparameters.items()),
        "surroundings": [("hosts", ", ".join(facts.hosts)), *sorted(facts.versions.items())],
    }


def _tiles(facts: Facts) -> list[tuple[str, str, str]]:
    """Return name, value and note of each tile at the top."""
    model = facts.model
    k, n_features = model.centers.shape
    scored = (
        "of all rows"
        if model.score_is_exact
        else f"estimated, with a standard error of {number(model.score.msd_error, 2)}"
    )
    others = f" and {len(facts.hosts) - HOSTS_NAMED} more" if len(facts.hosts) > HOSTS_NAMED else ""
    test = facts.tested
    unit = ", in standard deviations" if facts.coordinates.scaled else ""
    if facts.coordinates.unit:
        unit = ": 2 - 2 cosine"
    return [
        ("Clusters (k)", number(k), f"out of {number(len(model.state.centers))} intermediate ones"),
        (
            "Rows read",
            number(facts.rows_seen),
            f"in {number(facts.epochs)} {'epoch' if facts.epochs == 1 else 'epochs'}",
        ),
        *([("Weight", number(model.score.weight), "of all rows together")] if facts.weighted else []),
        ("Features", number(n_features), "columns of a row"),
        ("Mean squared distance", number(model.score.msd), scored + unit),
        *([("Mean squared distance, test", number(test.msd), f"of {number(test.rows)} rows{unit}")] if test else []),
        ("Duration", duration(facts.seconds), "of the job, up to this report"),
        ("Throughput", number(facts.rows_per_second, 3), "rows a second, in training"),
        ("Hosts", number(len(facts.hosts)), ", ".join(facts.hosts[:HOSTS_NAMED]) + others),
        ("Seed", str(facts.seed), "the only source of randomness"),
    ]


def _row_of_curve(one: Figures) -> list[str]:
    """Return the cells of the table for one k."""
    shown = [number(one.k), number(one.msd), number(one.msd_error, 2)]
    return [*shown, *(_index(value) for value in indices(one).values())]


def _index(value: float | None) -> str:
    return "none" if value is None else number(value, 3)


def _event(name: str) -> str:
    return EVENTS.get(name, name.replace("_", " "))


def _left_out(shown: HeatMap, n_clusters: int, n_features: int) -> str:
    """Return which part of the profiles is shown; empty if all are."""
    parts = []
    if len(shown.clusters) < n_clusters:
        parts.append(f"the {len(shown.clusters)} largest of {number(n_clusters)} clusters")
    if len(shown.features) < n_features:
        parts.append(f"the {len(shown.features)} of {number(n_features)} features that tell them apart best")
    return ", ".join(parts)


def _clusters(
    facts: Facts, baseline: Baseline, shares: NDArray[np.float64], spreads: NDArray[np.float64]
) -> list[Mapping[str, Any]]:
    """Return the rows of the table of clusters, the largest first."""
    centers, coordinates = facts.model.centers, facts.coordinates
    deviations = baseline.deviation if coordinates.scales is None else baseline.deviation * coordinates.scales
    listed = profile.largest(facts.model.score.cluster_sizes, centers.shape[1], profile.MAX_LISTED)
    rows: list[Mapping[str, Any]] = []
    for cluster in listed:
        values = coordinates.absolute(centers[cluster])
        strongest = profile.strongest(centers[cluster], baseline, FEATURES_NAMED)
        rows.append(
            {
                "cluster": int(cluster),
                "share": percent(float(shares[cluster])),
                "spread": "none" if np.isnan(spreads[cluster]) else number(float(spreads[cluster])),
                "features": [
                    {
                        "arrow": "▲" if difference > 0 else "▼",
                        "name": feature_label(feature, facts.feature_names),
                        "value": number(float(values[feature]), 3)
                        if coordinates.origin is None
                        else _value(float(values[feature]), float(deviations[feature])),
                        "difference": signed(difference),
                    }
                    for feature, difference in strongest
                ],
            }
        )
    return rows


def _value(value: float, deviation: float) -> str:
    """Format a number of a center with as many digits as distinguish centers."""
    digits = 3 + max(0, math.floor(math.log10(abs(value) / deviation))) if value and deviation else 3
    return number(float(f"{value:.{digits}g}"), digits)
