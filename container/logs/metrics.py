"""The built-in's `#metrics` lines and quality lines, next to the regexes that find them."""

import json
import math
from collections.abc import Mapping

from container.logs.logger import LOGGER, VERBATIM

ALGORITHM = "AWS/KMeansWebscale"

# Name of a metric in SageMaker, and the regex that extracts it from the log.
REGEXES: Mapping[str, str] = {
    "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
    "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    "train:msd": r"#quality_metric: host=\S+, train msd <loss>=(\S+)",
    "train:ssd": r"#quality_metric: host=\S+, train ssd <loss>=(\S+)",
    "test:msd": r"#quality_metric: host=\S+, test msd <loss>=(\S+)",
    "test:ssd": r"#quality_metric: host=\S+, test ssd <loss>=(\S+)",
}
# What a tuning job may minimize, as with the built-in.
OBJECTIVES = ("test:msd", "test:ssd")


class Summary:
    """Sum, count, least and largest of the values of one metric.

    Attributes
    ----------
    sum : float
        Of all values.
    """

    def __init__(self) -> None:
        self.sum = 0.0
        self._count = 0
        self._min = self._max = math.nan

    def add(self, value: float) -> None:
        """Add one value."""
        self._min = min(self._min, value) if self._count else value
        self._max = max(self._max, value) if self._count else value
        self.sum += value
        self._count += 1

    def as_dict(self) -> dict[str, float]:
        """Return the four numbers as the built-in names them."""
        return {"sum": self.sum, "count": self._count, "min": self._min, "max": self._max}


def summary(value: float) -> Summary:
    """Return the summary of a single value."""
    single = Summary()
    single.add(value)
    return single


def log_metrics(host: str, start: float, end: float, metrics: Mapping[str, Summary], **dimensions: object) -> None:
    """Write one `#metrics` line.

    Parameters
    ----------
    host : str
        This host's name.
    start : float
        Seconds since 1970.
    end : float
        Seconds since 1970.
    metrics : mapping of str to Summary
        The summaries, by name.
    **dimensions : object
        Further dimensions: `epoch`, `Meta`.
    """
    record = {
        "StartTime": start,
        "EndTime": end,
        "Dimensions": {"Algorithm": ALGORITHM, "Host": host, "Operation": "training", **dimensions},
        "Metrics": {name: values.as_dict() for name, values in metrics.items()},
    }
    VERBATIM.info("#metrics %s", json.dumps(record))


def log_progress(host: str, percent: float) -> None:
    """Write how much of the epochs is done."""
    LOGGER.info("#progress_metric: host=%s, completed %s %% of epochs", host, percent)


def log_throughput(host: str, rows_per_second: float) -> None:
    """Write how fast an epoch went."""
    LOGGER.info("#throughput_metric: host=%s, train throughput=%s records/second", host, rows_per_second)


def log_quality(host: str, channel: str, metric: str, value: float) -> None:
    """Write a loss; `metric` is "msd" or "ssd"."""
    LOGGER.info("#quality_metric: host=%s, %s %s <loss>=%r", host, channel, metric, value)
