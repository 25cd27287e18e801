"""What is wrong with a channel, in the built-in's words."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from container.channels.files import listed
from container.configuration.channels import ChannelConfiguration
from container.errors import CustomerError, PlatformError
from container.formats.errors import FormatError, InfiniteValueError, MissingValueError, WeightError, ZeroRowError

_WRONG_CONTENT: Final = "Requested content-type is '{}'. Please verify the data matches the requested content-type."
_ADVICE: Final = "missing=mean or missing=drop trains on such rows or without them"
_NO_CONTENT: Final = "Please verify the correct data channel configuration is provided."
# What is wrong with the data -> the built-in's words for it. The first class that fits counts.
_SENTENCES: Final[Mapping[type[FormatError], str]] = {
    MissingValueError: "Found missing (NaN) values. Please remove any missing (NaN) values in the input data.",
    InfiniteValueError: (
        "Found infinite floating point values. Please remove any infinite floating point values in the input data."
    ),
    ZeroRowError: "Found rows of zeros, which have no cosine. Please remove them, or train with distance=euclidean.",
    WeightError: "Found weights that are missing, negative or infinite. Please correct them; 0 leaves a record out.",
    FormatError: _WRONG_CONTENT,
}


class Faults:
    """The errors of a channel.

    Parameters
    ----------
    channel : ChannelConfiguration
        The channel.
    """

    def __init__(self, channel: ChannelConfiguration) -> None:
        self._channel = channel

    def unsupported(self, supported: Iterable[str]) -> CustomerError:
        """Return the error for a content type that is not supported."""
        *others, last = supported
        return self._error(_WRONG_CONTENT, f"supported are {', '.join(others)} and {last}")

    def broken(self, path: Path, error: FormatError) -> CustomerError:
        """Return the error for a file that does not follow its format."""
        sentence = next(words for kind, words in _SENTENCES.items() if isinstance(error, kind))
        advice = f"; {_ADVICE}" if isinstance(error, MissingValueError) and self._channel.name != "model" else ""
        return self._error(sentence, f"{self._shown(path)}, {error}{advice}")

    def unreadable(self, path: Path, error: OSError) -> PlatformError:
        """Return the error for a file or folder that the system does not let us read."""
        reason = error.strerror or type(error).__name__
        return PlatformError(f"Unable to read data channel '{self._channel.name}'. ({self._shown(path)}: {reason})")

    def empty(self, n_files: int, skipped: Sequence[Path], dropped: int, *, weighted: bool) -> CustomerError:
        """Return the error for a channel without a record; files may have been skipped, and rows dropped."""
        path = self._channel.path
        others = f"; skipped as no data: {listed(skipped, path)}" if skipped else ""
        gaps = f" but {dropped} with missing numbers" if dropped else ""
        weight = " of a weight above 0" if weighted else ""
        detail = f"{path}: expected data, got {n_files} files and no record{weight} in them{gaps}{others}"
        return self._error(_NO_CONTENT, detail)

    def _error(self, sentence: str, detail: str) -> CustomerError:
        words = sentence.format(self._channel.content_type)
        return CustomerError(f"Unable to read data channel '{self._channel.name}'. {words} ({detail})")

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self._channel.path.parent)
