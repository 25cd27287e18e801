"""The heat map of the report: a table of clusters and features, colored by how far centers are from the mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from container.report.formatting import feature_label, number, signed
from container.report.profile import HeatMap

# From far below the mean to far above; after ColorBrewer's RdBu, which is color-blind safe.
COLORS: Final = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b")
# From this part of the scale on, cells are so dark that text in them is white.
DARK: Final = 0.7
# Up to this number of features, the cells hold numbers.
MAX_NUMBERED: Final = 12
# Up to this number of features, their numbers are horizontal.
MAX_LEVEL: Final = 20
# Widths in pixels: that of clusters and their title, and those of cells.
MARGIN: Final = 80
NUMBERED_WIDTH: Final = 56
CELL_WIDTH: Final = 15
WIDEST_CELL: Final = 150


@dataclass(frozen=True)
class Cell:
    """A cell of the table.

    Attributes
    ----------
    color : str
        The color of the background.
    dark : bool
        Whether it is dark.
    text : str
        The text; empty if the table has many features.
    title : str
        What is shown when the mouse is over it.
    """

    color: str
    dark: bool
    text: str
    title: str


@dataclass(frozen=True)
class Table:
    """A heat map as the page shows it.

    Attributes
    ----------
    features : list of str
        The heads of the columns.
    rows : list of tuple of (str, list of Cell)
        The name of each cluster, and its cells.
    limit : str
        The number of standard deviations at the ends of the scale.
    level : bool
        Whether the heads are horizontal.
    widths : tuple of (int, int)
        The minimum and the maximum width in pixels.
    """

    features: list[str]
    rows: list[tuple[str, list[Cell]]]
    limit: str
    level: bool
    widths: tuple[int, int]


def table(shown: HeatMap, digits: int, names: Sequence[str] = ()) -> Table:
    """Make the table of a heat map.

    Parameters
    ----------
    shown : HeatMap
        What is shown.
    digits : int
        The precision of the centers.
    names : sequence of str
        The names of all features; empty if they have none.

    Returns
    -------
    Table
        The table.
    """
    limit = float(max(1.0, np.percentile(np.abs(shown.standardized), 98)))
    numbers = shown.features.tolist()
    features = [feature_label(feature, names, "") for feature in numbers]
    numbered = len(features) <= MAX_NUMBERED
    least = MARGIN + (NUMBERED_WIDTH if numbered else CELL_WIDTH) * len(features)
    rows = [
        (
            str(cluster),
            [
                Cell(
                    _color(value / limit),
                    abs(value) > DARK * limit,
                    signed(value) if numbered else "",
                    f"cluster {cluster}, {feature_label(feature, names)}: {number(center, digits)} ({signed(value)})",
                )
                for feature, value, center in zip(numbers, values, centers, strict=True)
            ],
        )
        for cluster, values, centers in zip(
            shown.clusters.tolist(), shown.standardized.tolist(), shown.centers.tolist(), strict=True
        )
    ]
    widths = least, max(least, MARGIN + WIDEST_CELL * len(features))
    return Table(features, rows, number(limit, 2), len(features) <= MAX_LEVEL and not names, widths)


def _color(place: float) -> str:
    """Return the color of a place on the scale, from -1 to 1; those beyond have the colors of the ends."""
    steps = list(pairwise(COLORS))
    along = (min(1.0, max(-1.0, place)) + 1.0) / 2.0 * len(steps)
    step = min(int(along), len(steps) - 1)
    low, high = (np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) for color in steps[step])
    mixed = (low + (along - step) * (high - low)).round().astype(int)
    return "#" + "".join(f"{part:02x}" for part in mixed)
