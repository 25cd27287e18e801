"""The names of the features, on which all hosts must agree."""

import json

import numpy as np

from container.channels.channel import Channel
from container.errors import CustomerError
from container.formats.columns import shown_names
from container.logs.logger import LOGGER
from kmeans.communicator import Communicator


def agreed_names(rows: Channel, communicator: Communicator) -> tuple[str, ...]:
    """Return the names that the features have in the data, and log them; all hosts call this together.

    Parameters
    ----------
    rows : Channel
        The training rows of this host, which may have no file.
    communicator : Communicator
        The hosts.

    Returns
    -------
    tuple of str
        The same on every host; empty if the data have no names.

    Raises
    ------
    CustomerError
        If the hosts have different names, or as `Channel.feature_names`.
    """
    own = json.dumps(rows.feature_names()).encode() + b"\n"
    everyones = communicator.gather_rows(np.frombuffer(own, np.uint8)).tobytes().splitlines()
    found = [names for names in map(json.loads, everyones) if names]
    for names in found:
        if names != found[0]:
            raise CustomerError(
                f"The hosts have different columns: {shown_names(found[0])} and {shown_names(names)};"
                " feature_columns chooses columns in any order"
            )
    if not found:
        return ()
    LOGGER.info("The features are the columns %s.", shown_names(found[0]))
    return tuple(found[0])
