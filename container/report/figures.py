"""The plots of a report: figures of plotly in plain JSON types."""

import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from container.report.drawing import (
    ACCENT,
    MUTED,
    PALE,
    PALETTE,
    TEXT,
    Figure,
    line,
    note,
    plain_layout,
    reference,
    trace,
    whole,
)
from container.report.formatting import feature_label, number, percent
from container.report.losses import Losses
from container.report.projection import Projection
from kmeans.finalization.curve import Curve

# Up to this number of clusters, each has a bar, and a number and a color in the plane.
MAX_BARS = 30
# Half the width of the band about a curve.
STANDARD_ERRORS = 2.0
# Points of a curve over all clusters.
MAX_CURVE = 500
# Up to this number of rows, their dots are larger.
FEW_ROWS = 200


def losses(curve: Losses) -> Figure | None:
    """Plot the loss over mini-batches; None if there are too few of them."""
    batches, short_term, long_term = curve.curve()
    if len(batches) < 2:
        return None
    latest = "latest batch" if curve.stride == 1 else f"latest {curve.stride} batches"
    hover = "%{fullData.name}<br>up to batch %{x:,}: %{y:,.5~g}<extra></extra>"
    few = "lines+markers" if len(batches) <= MAX_BARS else "lines"
    data = [
        trace("scatter", batches, short_term, name=latest, mode=few, line=line(PALE, 1.5), hovertemplate=hover),
        trace(
            "scatter",
            batches,
            long_term,
            name="all batches so far",
            mode="lines",
            line=line(ACCENT),
            hovertemplate=hover,
        ),
    ]
    layout = plain_layout("Batches read", "Mean squared distance", hovermode="closest")
    layout["showlegend"] = True
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    whole(layout["xaxis"], int(batches[-1]))
    return {"data": data, "layout": layout}


def elbow(curve: Curve, k: int) -> Figure | None:
    """Plot the loss over the number of clusters, with that of the model; None if there is nothing to compare.

    A band shows two standard errors on either side.
    """
    if len(curve.figures) < 2:
        return None
    ks = [one.k for one in curve.figures]
    msds = {one.k: one.msd for one in curve.figures}
    hover = "%{x:,} clusters: %{y:,.5~g}<extra></extra>"
    marker = {"color": "#ffffff", "size": 7, "line": {"color": MUTED, "width": 1.5}}
    bounds = [
        trace(
            "scatter",
            ks,
            [max(0.0, one.msd + side * STANDARD_ERRORS * one.msd_error) for one in curve.figures],
            mode="lines",
            line=line(PALE, 0.0),
            hoverinfo="skip",
        )
        for side in (-1, 1)
    ]
    bounds[1] |= {"fill": "tonexty", "fillcolor": "rgba(91, 103, 118, 0.25)"}
    data = [
        trace(
            "scatter",
            ks,
            list(msds.values()),
            mode="lines+markers",
            line=line(MUTED, 1.5),
            marker=marker,
            hovertemplate=hover,
        ),
        trace("scatter", [k], [msds[k]], mode="markers", marker={"color": ACCENT, "size": 13}, hovertemplate=hover),
        *bounds,
    ]
    layout = plain_layout("Number of clusters", "Mean squared distance")
    layout["yaxis"]["rangemode"] = "tozero"
    layout["shapes"] = [reference("x", k)]
    # The words stand where there is more room.
    right = k > (ks[0] + ks[-1]) / 2
    layout["annotations"] = [
        {
            "x": k,
            "y": 1,
            "yref": "paper",
            "text": f"<b>this model: {number(k)}</b>",
            "showarrow": False,
            "xanchor": "right" if right else "left",
            "xshift": -6 if right else 6,
            "yanchor": "top",
            "font": {"color": ACCENT},
        }
    ]
    whole(layout["xaxis"], ks[-1] - ks[0] + 1)
    return {"data": data, "layout": layout}


def per_cluster(values: NDArray[np.float64], title: str, even: float, even_name: str, *, share: bool = False) -> Figure:
    """Plot a value of each cluster: bars for few clusters, else a curve from the largest value to the smallest.

    Parameters
    ----------
    values : ndarray of float64, shape (k,)
        The values; NaN for a cluster without one.
    title : str
        The title of the axis of values.
    even : float
        A value to compare with.
    even_name : str
        The name of that value.
    share : bool
        Whether values are shares of a whole, shown in percent.

    Returns
    -------
    dict
        The figure.
    """
    form = ",.3~%" if share else ",.4~g"
    if len(values) <= MAX_BARS:
        hover = f"cluster %{{x}}: %{{y:{form}}}<extra></extra>"
        data = [trace("bar", range(len(values)), values, marker={"color": ACCENT}, hovertemplate=hover)]
        layout = plain_layout("Cluster", title, bargap=0.25)
        whole(layout["xaxis"], len(values))
    else:
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
        order = order[: np.count_nonzero(~np.isnan(values))]
        ranks = np.unique(np.linspace(0, len(order) - 1, MAX_CURVE).round().astype(int))
        hover = f"cluster %{{customdata}}: %{{y:{form}}}<extra></extra>"
        data = [
            trace(
                "scatter",
                ranks + 1,
                values[order[ranks]],
                customdata=order[ranks].tolist(),
                mode="lines",
                line=line(ACCENT),
                fill="tozeroy",
                fillcolor="rgba(11, 95, 165, 0.12)",
                hovertemplate=hover,
            )
        ]
        layout = plain_layout("Rank of the cluster", title)
    layout["yaxis"]["rangemode"] = "tozero"
    if share:
        layout["yaxis"]["tickformat"] = ",~%"
    layout["shapes"] = [reference("y", even)]
    written = percent(even) if share else number(even)
    layout["annotations"] = [note(f"dotted: {written}, {even_name}")]
    layout["margin"]["t"] = 28
    return {"data": data, "layout": layout}


def _plain(text: str) -> str:
    """Return text that plotly shows as it is, without taking it for markup."""
    return html.escape(text, quote=False)


def plane(shown: Projection, sizes: NDArray[np.float64], feature_names: Sequence[str] = ()) -> Figure:
    """Plot rows and centers in the plane; if all are on one line, plot that line by the index of the cluster."""
    numbered = len(sizes) <= MAX_BARS
    colors = [PALETTE[label % len(PALETTE)] for label in shown.labels] if numbered else "#9aa5b1"
    rows_y = shown.labels if shown.flat else shown.rows[:, 1]
    centers_y = shown.clusters if shown.flat else shown.centers[:, 1]
    rows = trace(
        "scatter",
        shown.rows[:, 0],
        rows_y,
        mode="markers",
        customdata=shown.labels.tolist(),
        marker={"color": colors, "size": 5 if len(shown.rows) > FEW_ROWS else 9, "opacity": 0.55},
        hovertemplate="a row of cluster %{customdata}<extra></extra>",
    )
    size = sizes[shown.clusters]
    centers = trace(
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
    names = ["Component 1", "Component 2"]
    if shown.axes == "feature":
        # If there is only one feature, the title of the other axis is not used.
        given = (*feature_names, "") if feature_names else ()
        names = [_plain(feature_label(feature, given, "Feature ")) for feature in (0, 1)]
    titles = [f"{name} ({percent(share)} of variance)" for name, share in zip(names, shown.shares, strict=True)]
    layout = plain_layout(titles[0], "Cluster" if shown.flat else titles[1])
    if shown.flat:
        whole(layout["yaxis"], len(sizes))
    layout["height"] = 520
    layout["dragmode"] = "zoom"
    for axis in ("xaxis", "yaxis"):
        layout[axis]["fixedrange"] = False
    return {"data": [rows, centers], "layout": layout}
