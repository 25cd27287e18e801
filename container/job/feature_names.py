"""The names of the features, on which all hosts must agree."""

import json
from typing import NamedTuple

import numpy as np

from container.channels.channel import Channel
from container.errors import CustomerError
from container.formats.columns import shown_names
from container.logs.logger import LOGGER
from kmeans.communicator import Communicator


class FeatureNames(NamedTuple):
    """Names in the training data; empty if the data have none.

    Attributes
    ----------
    features : tuple of str
        Those of the features.
    columns : tuple of str
        Those of the columns that the features are in, which may hold lists of them.
    """

    features: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def agreed_names(rows: Channel, communicator: Communicator) -> FeatureNames:
    """Return the names that the features have in the data, and log them; all hosts call this together.

    Parameters
    ----------
    rows : Channel
        The training rows of this host, which may have no file.
    communicator : Communicator
        The hosts.

    Returns
    -------
    FeatureNames
        The same on every host.

    Raises
    ------
    CustomerError
        If the hosts have different names, or as `Channel.feature_names`.
    """
    own = json.dumps([rows.feature_names(), rows.feature_columns()]).encode() + b"\n"
    everyones = communicator.gather_rows(np.frombuffer(own, np.uint8)).tobytes().splitlines()
    found = [FeatureNames(*map(tuple, names)) for names in map(json.loads, everyones) if names[0]]
    for names in found:
        if names != found[0]:
            raise CustomerError(
                f"The hosts have different columns: {shown_names(found[0].columns)} and {shown_names(names.columns)};"
                " feature_columns chooses columns in any order"
            )
    if not found:
        return FeatureNames()
    LOGGER.info("The features are the columns %s.", shown_names(found[0].columns))
    return found[0]
