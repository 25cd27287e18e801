"""Building blocks of plots: colors, axes, layouts, and numbers in JSON."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A figure of plotly.js, with its `data` and `layout`.
Figure = dict[str, Any]

TEXT = "#1d2733"
MUTED = "#5b6776"
GRID = "#e6eaef"
ACCENT = "#0b5fa5"
PALE = "#9dbcd8"
# After Paul Tol's muted scheme (2021), which is color-blind safe.
PALETTE = ("#332288", "#cc6677", "#117733", "#ddaa33", "#44aa99", "#882255", "#88ccee", "#999933", "#aa4499", "#777777")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# An axis of at most this many integers has a tick for each.
MAX_TICKS = 15


def trace(kind: str, x: Iterable[Any], y: Iterable[Any], **settings: Any) -> dict[str, Any]:
    """Return a trace of plotly of a kind, with further settings."""
    return {"type": kind, "x": short(np.asarray(x)), "y": short(np.asarray(y)), **settings}


def short(values: NDArray[Any], digits: int = 5) -> list[Any]:
    """Return numbers for JSON, rounded to `digits` significant digits; None for NaN."""
    if values.dtype.kind in "iu":
        return values.tolist()  # type: ignore[no-any-return]
    if values.ndim > 1:
        return [short(row, digits) for row in values]
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values.tolist()]


def line(color: str, width: float = 2.5) -> dict[str, Any]:
    """Return the settings of a line of a color, and of a width in pixels."""
    return {"color": color, "width": width}


def reference(axis: str, value: float) -> dict[str, Any]:
    """Return a dotted line across the plot at a value of one axis."""
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


def note(text: str) -> dict[str, Any]:
    """Return an annotation above the plot, at its right end."""
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


def whole(axis: dict[str, Any], n_values: int) -> None:
    """Put the ticks of an axis of integers on integers."""
    if n_values <= MAX_TICKS:
        axis["dtick"] = 1


def plain_layout(x_title: str, y_title: str, **settings: Any) -> dict[str, Any]:
    """Return a layout without legend and zoom, with titles of the axes and further settings."""

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
