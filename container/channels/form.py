"""What the records of a channel must hold, and what a reader of them may use."""

from dataclasses import dataclass, field
from typing import Literal, Self

from container.channels.team import Team
from container.configuration.channels import ChannelConfiguration
from container.formats.columns import Selection

Missing = Literal["error", "mean", "drop"]


@dataclass(frozen=True)
class RecordForm:
    """What the records of a channel must hold.

    Attributes
    ----------
    feature_dim : int
        The number of features.
    label_size : int or None
        Leading columns that are labels; None if the content type does not say.
    header : bool
        Whether the first line of each file has the names of the columns.
    selection : Selection
        The columns that are chosen by name.
    missing : {"error", "mean", "drop"}
        What becomes of a row with a gap, a number that is missing: it is an error, the coordinates say what takes its
        place, or the row is dropped.
    """

    feature_dim: int
    label_size: int | None = None
    header: bool = False
    selection: Selection = field(default_factory=Selection)
    missing: Missing = "error"

    @classmethod
    def of(
        cls,
        channel: ChannelConfiguration,
        feature_dim: int,
        selection: Selection | None = None,
        missing: Missing = "error",
    ) -> Self:
        """Return the form of the records of a channel."""
        return cls(feature_dim, channel.label_size, channel.header, selection or Selection(), missing)

    @property
    def weighted(self) -> bool:
        """Whether records have weights."""
        return bool(self.selection.weight)

    @property
    def width(self) -> int:
        """The numbers that are read of a record: its features and, behind them, its weight."""
        return self.feature_dim + self.weighted

    @property
    def gaps(self) -> bool:
        """Whether there may be gaps; readers then write NaN."""
        return self.missing != "error"


@dataclass(frozen=True)
class ReaderResources:
    """What a reader may use.

    Attributes
    ----------
    window_bytes : int or None
        Bytes that are asked of a stream at once; None for the number that is best for the reader.
    team : Team or None
        Threads that may decode next to the one that reads; None for no others.
    """

    window_bytes: int | None = None
    team: Team | None = None
