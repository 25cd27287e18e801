"""What the records of a channel must hold, and what a reader of them may use."""

from dataclasses import dataclass, field

from container.channels.team import Team
from container.formats.columns import Selection


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
    """

    feature_dim: int
    label_size: int | None = None
    header: bool = False
    selection: Selection = field(default_factory=Selection)


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
