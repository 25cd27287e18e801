"""What a gzip file holds, unpacked as it is read."""

import gzip
import io
import zlib
from typing import Any, Final

from container.formats.errors import FormatError

_PIECE_BYTES: Final = 1 << 17


class Gunzipped(io.RawIOBase):
    """The content of a gzip file, of one member or several, which is never held as a whole.

    Parameters
    ----------
    stream : RawIOBase, BufferedIOBase or BytesIO
        The gzip file, at its beginning. It is not closed with this.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._content = gzip.GzipFile(fileobj=stream)
        self._fault = ""

    @property
    def bytes_read(self) -> int:
        """The bytes of the gzip file that have been read so far."""
        return int(self._stream.tell())

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return the number of bytes, fewer than it holds only before the end or an error.

        Raises
        ------
        FormatError
            If the file is broken, each time again.
        """
        filled = 0
        while filled < len(buffer):
            count = self._some(memoryview(buffer)[filled:], raising=not filled)
            if not count:
                break
            filled += count
        return filled

    def _some(self, buffer: memoryview, *, raising: bool) -> int:
        """Read some bytes; return how many, 0 at the end or, unless `raising`, where the next call raises an error."""
        try:
            if not self._fault:
                # Other ways of reading lose what precedes an error.
                piece = self._content.read1(min(len(buffer), _PIECE_BYTES))
                buffer[: len(piece)] = piece
                return len(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._fault = f"expected gzip, got a broken file: {str(error)[:200]}"
        except Exception:
            # Whatever the stream raises, it raises again.
            if raising:
                raise
            return 0
        if raising:
            raise FormatError(self._fault)
        return 0
