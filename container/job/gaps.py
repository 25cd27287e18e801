"""What was done about rows with missing numbers, counted over all hosts."""

from dataclasses import replace

import numpy as np

from container.channels.channel import Channel
from container.job.context import JobContext
from kmeans.model import Model

# Event and message, by the hyperparameter `missing`.
_EVENTS = {
    "mean": ("filled_rows", "The means of the features took the place of missing numbers in {:,} rows."),
    "drop": ("dropped_rows", "{:,} rows with missing numbers were dropped."),
}


def count_gaps(context: JobContext, model: Model, rows: Channel) -> Model:
    """Count the rows with missing numbers, and say what was done about them; all hosts call this together.

    Parameters
    ----------
    context : JobContext
        The job on this host.
    model : Model
        The model of these rows.
    rows : Channel
        The training rows, which this host has read at least once.

    Returns
    -------
    Model
        The model; its events have the number of these rows.
    """
    policy = context.configuration.hyperparameters.missing
    if policy not in _EVENTS:
        return model
    counts = context.communicator.gather_rows(np.array([rows.gap_rows()]))
    # To skip the mini-batches of other hosts, each host reads all rows if some are dropped.
    count = int(counts.max() if rows.shared and rows.drops else counts.sum())
    if not count:
        return model
    event, message = _EVENTS[policy]
    context.progress.events.happened(event, count, message.format(count))
    return replace(model, events={**model.events, event: count})
