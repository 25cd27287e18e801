"""What pyarrow raises for a broken file, as an error of the format."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow

from container.formats.errors import FormatError


@contextmanager
def as_parquet() -> Iterator[None]:
    """Turn errors of pyarrow in a broken file into a FormatError; errors of the system stay as they are."""
    try:
        yield
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FormatError(f"expected Parquet, got something else or a broken file: {str(error)[:200]}") from error
