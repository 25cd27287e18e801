"""The plots of a report, as plotly's figures in plain JSON types: a dict of `data` and `layout`."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.report.losses import Losses
from container.report.profile import HeatMap
from container.report.projection import Projection
from container.report.wording import number, percent, signed

Figure = dict[str, Any]

TEXT = "#1d2733"
MUTED = "#5b6776"
GRID = "#e6eaef"
ACCENT = "#0b5fa5"
PALE = "#9dbcd8"
# Paul Tol's muted scheme, which people of any color vision tell apart.
PALETTE = ("#332288", "#cc6677", "#117733", "#ddaa33", "#44aa99", "#882255", "#88ccee", "#999933", "#aa4499", "#777777")
# From far below the mean to far above.
DIVERGING = [[0.0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#f4a582"], [1.0, "#b2182b"]]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Up to so many clusters have a bar each, and a number and a color in the plane.
MAX_BARS = 30
# Points of a curve over all clusters.
MAX_CURVE = 500
# Up to so many rows, their dots are larger.
FEW_ROWS = 200
# Up to so many ticks, each whole number has one.
MAX_TICKS = 15
# Up to so many features, the cells of a heat map hold numbers.
MAX_NUMBERED = 12
# Up to so many features, their numbers stand level.
MAX_LEVEL = 20
ROW_HEIGHT = 21
CELL_WIDTH = 15
NUMBERED_WIDTH = 56
WIDEST_CELL = 150
# What the scale of colors takes.
MIN_WIDTH = 320


def losses(curve: Losses) -> Figure | None:
    """Plot the loss over mini-batches; None where there are too few of them."""
    batches, short_term, long_term = curve.curve()
    if len(batches) < 2:
        return None
    latest = "latest batch" if curve.stride == 1 else f"latest {curve.stride} batches"
    hover = "%{fullData.name}<br>up to batch %{x:,}: %{y:,.5~g}<extra></extra>"
    few = "lines+markers" if len(batches) <= MAX_BARS else "lines"
    data = [
        _trace("scatter", batches, short_term, name=latest, mode=few, line=_line(PALE, 1.5), hovertemplate=hover),
        _trace(
            "scatter",
            batches,
            long_term,
            name="all batches so far",
            mode="lines",
            line=_line(ACCENT),
            hovertemplate=hover,
        ),
    ]
    layout = _layout("Batches read", "Mean squared distance", hovermode="closest")
    layout["showlegend"] = True
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    _whole(layout["xaxis"], int(batches[-1]))
    return {"data": data, "layout": layout}


def elbow(msd_by_k: Mapping[int, float], k: int) -> Figure | None:
    """Plot the loss over the number of clusters, with the one chosen; None where there is nothing to compare."""
    if len(msd_by_k) < 2:
        return None
    ks = sorted(msd_by_k)
    hover = "%{x:,} clusters: %{y:,.5~g}<extra></extra>"
    marker = {"color": "#ffffff", "size": 7, "line": {"color": MUTED, "width": 1.5}}
    data = [
        _trace(
            "scatter",
            ks,
            [msd_by_k[each] for each in ks],
            mode="lines+markers",
            line=_line(MUTED, 1.5),
            marker=marker,
            hovertemplate=hover,
        ),
        _trace(
            "scatter", [k], [msd_by_k[k]], mode="markers", marker={"color": ACCENT, "size": 13}, hovertemplate=hover
        ),
    ]
    layout = _layout("Number of clusters", "Mean squared distance")
    layout["yaxis"]["rangemode"] = "tozero"
    layout["shapes"] = [_reference("x", k)]
    layout["annotations"] = [
        {
            "x": k,
            "y": 1,
            "yref": "paper",
            "text": f"<b>this model: {number(k)}</b>",
            "showarrow": False,
            "xanchor": "right" if k > (ks[0] + ks[-1]) / 2 else "left",
            "xshift": -6 if k > (ks[0] + ks[-1]) / 2 else 6,
            "yanchor": "top",
            "font": {"color": ACCENT},
        }
    ]
    _whole(layout["xaxis"], ks[-1] - ks[0] + 1)
    return {"data": data, "layout": layout}


def per_cluster(values: NDArray[np.float64], title: str, even: float, even_name: str, *, share: bool = False) -> Figure:
    """Plot one number of each cluster: bars while they are few, else a curve from the largest to the smallest.

    Parameters
    ----------
    values
        float64 (k,): NaN for a cluster without it.
    title
        Of the axis of values.
    even, even_name
        A value to compare with, and what it is.
    share
        Whether values are shares of a whole, written in percent.
    """
    form = ",.3~%" if share else ",.4~g"
    if len(values) <= MAX_BARS:
        hover = f"cluster %{{x}}: %{{y:{form}}}<extra></extra>"
        data = [_trace("bar", range(len(values)), values, marker={"color": ACCENT}, hovertemplate=hover)]
        layout = _layout("Cluster", title, bargap=0.25)
        _whole(layout["xaxis"], len(values))
    else:
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
        order = order[: np.count_nonzero(~np.isnan(values))]
        ranks = np.unique(np.linspace(0, len(order) - 1, MAX_CURVE).round().astype(int))
        hover = f"cluster %{{customdata}}: %{{y:{form}}}<extra></extra>"
        data = [
            _trace(
                "scatter",
                ranks + 1,
                values[order[ranks]],
                customdata=order[ranks].tolist(),
                mode="lines",
                line=_line(ACCENT),
                fill="tozeroy",
                fillcolor="rgba(11, 95, 165, 0.12)",
                hovertemplate=hover,
            )
        ]
        layout = _layout("Rank of the cluster", title)
    layout["yaxis"]["rangemode"] = "tozero"
    layout["yaxis"]["tickformat"] = ",~%" if share else ""
    layout["shapes"] = [_reference("y", even)]
    written = percent(even) if share else number(even)
    layout["annotations"] = [_note(f"dotted: {written}, {even_name}")]
    layout["margin"]["t"] = 28
    return {"data": data, "layout": layout}


def heat_map(shown: HeatMap) -> Figure:
    """Plot in which features centers differ from the mean, clusters by features."""
    n_clusters, n_features = shown.standardized.shape
    strength = np.abs(shown.standardized)
    limit = float(max(1.0, np.percentile(strength, 98)))
    trace = {
        "type": "heatmap",
        "z": _short(shown.standardized, 4),
        "x": [str(feature) for feature in shown.features],
        "y": [str(cluster) for cluster in shown.clusters],
        "customdata": _short(shown.centers),
        "zmin": -limit,
        "zmid": 0,
        "zmax": limit,
        "colorscale": DIVERGING,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "cluster %{y}, feature %{x}<br>center: %{customdata:,.5~g}<br>%{z:+.2f} standard deviations"
        "<extra></extra>",
        "colorbar": {
            "orientation": "h",
            "lenmode": "pixels",
            "len": 240,
            "thickness": 10,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "ypad": 4,
            "yanchor": "bottom",
            "nticks": 5,
            "title": {"text": "standard deviations from the mean", "side": "top"},
        },
    }
    if n_features <= MAX_NUMBERED:
        trace["text"] = [[signed(value) for value in row] for row in shown.standardized.tolist()]
        trace["texttemplate"] = "%{text}"
    layout = _layout("Feature", "Cluster")
    layout["height"] = 130 + ROW_HEIGHT * n_clusters
    layout["margin"] |= {"t": 66, "b": 64}
    layout["xaxis"] |= {"type": "category", "showgrid": False, "dtick": 1}
    layout["yaxis"] |= {"type": "category", "showgrid": False, "dtick": 1, "autorange": "reversed"}
    if n_features <= MAX_LEVEL:
        layout["xaxis"]["tickangle"] = 0
        # Plotly would move the title up between two numbers.
        title = layout["xaxis"].pop("title")["text"]
        below = {"x": 0.5, "xref": "paper", "y": 0, "yref": "paper", "yanchor": "top", "yshift": -28}
        layout["annotations"] = [{"text": title, "showarrow": False, "font": {"size": 15}, **below}]
    else:
        layout["xaxis"]["tickangle"] = -90
    return {"data": [trace], "layout": layout}


def heat_map_widths(shown: HeatMap) -> tuple[int, int]:
    """Give the pixels below which the cells would be too narrow to read, and those above which too wide."""
    n_features = len(shown.features)
    numbered = n_features <= MAX_NUMBERED
    least = max(MIN_WIDTH, 80 + (NUMBERED_WIDTH if numbered else CELL_WIDTH) * n_features)
    return least, max(least, 80 + WIDEST_CELL * n_features)


def plane(shown: Projection, sizes: NDArray[np.float64]) -> Figure:
    """Plot rows and centers in the plane; where all lies on one line, that line by the number of the cluster."""
    numbered = len(sizes) <= MAX_BARS
    colors = [PALETTE[label % len(PALETTE)] for label in shown.labels] if numbered else "#9aa5b1"
    rows_y = shown.labels if shown.flat else shown.rows[:, 1]
    centers_y = shown.clusters if shown.flat else shown.centers[:, 1]
    rows = _trace(
        "scatter",
        shown.rows[:, 0],
        rows_y,
        mode="markers",
        customdata=shown.labels.tolist(),
        marker={"color": colors, "size": 5 if len(shown.rows) > FEW_ROWS else 9, "opacity": 0.55},
        hovertemplate="a row of cluster %{customdata}<extra></extra>",
    )
    size = sizes[shown.clusters]
    centers = _trace(
        "scatter",
        shown.centers[:, 0],
        centers_y,
        mode="markers+text" if numbered else "markers",
        customdata=[
            [int(cluster), percent(float(part))]
            for cluster, part in zip(shown.clusters, size / max(1.0, sizes.sum()), strict=True)
        ],
        marker={
            "color": "rgba(255, 255, 255, 0.75)" if numbered else ACCENT,
            "size": 21 if numbered else 7,
            "line": {"color": TEXT if numbered else "#ffffff", "width": 1.5 if numbered else 0.5},
        },
        hovertemplate="center of cluster %{customdata[0]}<br>%{customdata[1]} of the rows<extra></extra>",
    )
    if numbered:
        centers["text"] = [str(cluster) for cluster in shown.clusters]
        centers["textfont"] = {"size": 11, "color": TEXT}
    names = ["Feature 0", "Feature 1"] if shown.axes == "feature" else ["Component 1", "Component 2"]
    titles = [f"{name} ({percent(share)} of variance)" for name, share in zip(names, shown.shares, strict=True)]
    layout = _layout(titles[0], "Cluster" if shown.flat else titles[1])
    if shown.flat:
        _whole(layout["yaxis"], len(sizes))
    layout["height"] = 520
    layout["dragmode"] = "zoom"
    for axis in ("xaxis", "yaxis"):
        layout[axis]["fixedrange"] = False
    return {"data": [rows, centers], "layout": layout}


def _trace(kind: str, x: Iterable[Any], y: Iterable[Any], **settings: Any) -> dict[str, Any]:
    return {"type": kind, "x": _short(np.asarray(x)), "y": _short(np.asarray(y)), **settings}


def _short(values: NDArray[Any], digits: int = 5) -> list[Any]:
    """Write numbers as JSON has them, without digits that nobody sees; None for NaN."""
    if values.dtype.kind in "iu":
        return values.tolist()  # type: ignore[no-any-return]
    if values.ndim > 1:
        return [_short(row, digits) for row in values]
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values.tolist()]


def _line(color: str, width: float = 2.5) -> dict[str, Any]:
    return {"color": color, "width": width}


def _reference(axis: str, value: float) -> dict[str, Any]:
    """Draw a dashed line across the plot at a value of one axis."""
    across = "y" if axis == "x" else "x"
    return {
        "type": "line",
        f"{axis}0": value,
        f"{axis}1": value,
        f"{across}0": 0,
        f"{across}1": 1,
        f"{across}ref": "paper",
        "line": {"color": ACCENT if axis == "x" else MUTED, "width": 1.5, "dash": "dot"},
    }


def _note(text: str) -> dict[str, Any]:
    """Write above the plot, at its right end."""
    return {
        "text": text,
        "x": 1,
        "xref": "paper",
        "xanchor": "right",
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "yshift": 4,
        "showarrow": False,
    }


def _whole(axis: dict[str, Any], n_values: int) -> None:
    """Keep the ticks of an axis of whole numbers whole."""
    if n_values <= MAX_TICKS:
        axis["dtick"] = 1


def _layout(x_title: str, y_title: str, **settings: Any) -> dict[str, Any]:
    def axis(title: str) -> dict[str, Any]:
        return {
            "title": {"text": title, "standoff": 8},
            "automargin": True,
            "fixedrange": True,
            "gridcolor": GRID,
            "linecolor": MUTED,
            "zeroline": False,
            "exponentformat": "power",
            "separatethousands": True,
        }

    return {
        "height": 320,
        "margin": {"l": 48, "r": 20, "t": 12, "b": 44},
        "font": {"family": FONT, "size": 13, "color": TEXT},
        "plot_bgcolor": "#ffffff",
        "paper_bgcolor": "#ffffff",
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"font": {"family": FONT, "size": 13}},
        "xaxis": axis(x_title),
        "yaxis": axis(y_title),
        **settings,
    }
