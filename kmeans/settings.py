"""What to train."""

import math
from dataclasses import dataclass

from kmeans.finalization.finalization import FinalizationSettings
from kmeans.types import InitMethod

# A reduction over the hosts of more numbers than this takes longer than a mini-batch is worth.
MOST_REDUCED = 4_000_000
# Mini-batches that share one reduction at most: the centers that they meet are as old.
MOST_BATCHES = 16


@dataclass(frozen=True)
class Settings:
    """What to train.

    Attributes
    ----------
    k
        Centers of the model.
    n_centers
        Centers of the stream, K >= k.
    n_features
        Features of a row.
    batch_size
        Rows of a mini-batch of one host.
    epochs
        Passes over the rows.
    init_method
        How the stream's first centers are chosen.
    half_life
        Rows after which a row weighs 1/2; 0 for no decay.
    reassign_far_rows
        Whether rows far from all centers may become centers of the stream.
    finalization
        How K centers become k.
    sample_size
        Rows kept to score the model on, and to refine it.
    kept_sample_size
        Rows of the sample that stay in the model's state.
    seed
        The only source of chance.
    """

    k: int
    n_centers: int
    n_features: int
    batch_size: int
    epochs: int
    init_method: InitMethod
    half_life: int
    reassign_far_rows: bool
    finalization: FinalizationSettings
    sample_size: int
    kept_sample_size: int
    seed: int

    def batches_per_step(self, n_hosts: int) -> int:
        """Give how many mini-batches of each host make one step: more than one where a reduction is large."""
        if n_hosts == 1:
            return 1
        return max(1, min(MOST_BATCHES, math.ceil(self.n_centers * self.n_features / MOST_REDUCED)))
