"""What the records of a channel must hold, and what a reader of them may use."""

from dataclasses import dataclass, field
from typing import Literal

from container.channels.team import Team
from container.formats.columns import Selection

Missing = Literal["error", "mean", "drop"]


@dataclass(frozen=True)
class RecordForm:
    """What the records of a channel must hold.

    Attributes
    ----------
    feature_dim : int
        The numbers of a row.
    label_size : int or None
        Leading columns that are labels; None if the content type does not say.
    header : bool
        Whether the first line of each file has the names of the columns.
    selection : Selection
        The columns that are chosen by name.
    missing : {"error", "mean", "drop"}
        What becomes of a row with a gap, a number that is missing.
    """

    feature_dim: int
    label_size: int | None = None
    header: bool = False
    selection: Selection = field(default_factory=Selection)
    missing: Missing = "error"

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
