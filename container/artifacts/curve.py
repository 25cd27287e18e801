"""The figures of several k in JSON: the content of ``msd_by_k.json``."""

import json
import math
from typing import Any, Final

from kmeans.finalization.curve import Curve, Figures

NAME: Final = "msd_by_k.json"
CRITERION: Final = "Calinski-Harabasz"


def indices(figures: Figures | None) -> dict[str, float | None]:
    """Return the indices of validity of one k by name; None for what has no value."""
    if figures is None:
        return {}
    named = {
        "silhouette": figures.silhouette,
        "davies_bouldin": figures.davies_bouldin,
        "calinski_harabasz": figures.calinski_harabasz,
    }
    return {name: value if math.isfinite(value) else None for name, value in named.items()}


def dumps(curve: Curve) -> bytes:
    """Encode the figures of all k, and the k that the rows suggest.

    Raises
    ------
    ValueError
        If a mean squared distance is NaN or infinite.
    """
    content: dict[str, Any] = {
        "msd_by_k": [{"k": one.k, "msd": one.msd, "msd_error": one.msd_error, **indices(one)} for one in curve.figures],
        "suggestion": None,
    }
    found = curve.suggestion
    if found is not None:
        content["suggestion"] = {"k": found.k, "low": found.low, "high": found.high, "criterion": CRITERION}
    return f"{json.dumps(content, indent=2, allow_nan=False)}\n".encode()


def suggested(curve: Curve) -> str:
    """Return the suggestion in words: that of a range, of one number, or of none."""
    found = curve.suggestion
    if found is None:
        ks = [one.k for one in curve.figures]
        return f"no clear number from {min(ks)} to {max(ks)}" if len(ks) > 1 else "no other number was looked at"
    if found.low == found.high:
        return f"k = {found.k}, by the index of Calinski and Harabasz"
    return f"k between {found.low} and {found.high}; {found.k} by the index of Calinski and Harabasz"
