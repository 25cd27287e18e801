"""What to train, and how."""

from dataclasses import dataclass

from kmeans.types import InitMethod


@dataclass(frozen=True)
class LloydSettings:
    """How Lloyd's iteration runs on the weighted centers of the stream.

    Attributes
    ----------
    init_method : InitMethod
        How its first centers are chosen.
    n_trials : int
        How often it runs from new starts; the best loss is kept.
    max_iterations : int
        See `kmeans.finalization.lloyd.lloyd`.
    tolerance : float
        See `kmeans.finalization.lloyd.lloyd`.
    """

    init_method: InitMethod
    n_trials: int
    max_iterations: int
    tolerance: float


@dataclass(frozen=True)
class FinalizationSettings:
    """How K centers of the stream become the k centers of the model.

    Attributes
    ----------
    lloyd : LloydSettings
        Trials and the end of Lloyd's iteration.
    refine : bool
        Whether to refine the model on the sample.
    """

    lloyd: LloydSettings
    refine: bool


@dataclass(frozen=True)
class TrainingSettings:
    """What to train.

    Attributes
    ----------
    k : int
        Centers of the model.
    n_centers : int
        Centers of the stream, K >= k.
    n_features : int
        Features of a row.
    batch_size : int
        Rows of a mini-batch of one host.
    epochs : int
        Passes over the rows; 0 to keep the centers of an earlier model.
    init_method : InitMethod
        How the stream's first centers are chosen.
    half_life : int
        Rows after which a row weighs 1/2; 0 for no decay.
    reassign_far_rows : bool
        Whether rows far from all centers may become centers of the stream.
    finalization : FinalizationSettings
        How K centers become k.
    sample_size : int
        Rows kept to score the model on, and to refine it.
    kept_sample_size : int
        Rows of the sample that stay in the model's state.
    seed : int
        The only source of randomness.
    spherical : bool
        Whether centers are of length 1, as rows must be: spherical k-means.
    weighted : bool
        Whether rows come with weights: one of weight 3 counts as three rows.
    early_stopping_tolerance : float
        No further epoch begins after one that has lowered the loss of the stream by no more than this part of it; 0 to
        take all epochs.
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
    spherical: bool = False
    weighted: bool = False
    early_stopping_tolerance: float = 0.0
