"""Packages that this Python lacks, and where there is one that has them."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from container.errors import PlatformError

_OWN = ("container", "kmeans")


def missing(error: BaseException) -> str | None:
    """Say which package an import did not find, and what to do about it; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name or error.name.partition(".")[0] in _OWN:
        return None
    return (
        f"expected the package {error.name}, which {sys.executable} does not have. `make setup` makes an environment "
        f"with all packages; then: .venv/bin/python {shlex.join(sys.orig_argv[1:])}"
    )


def _find(name: str) -> None:
    if find_spec(name) is None:
        raise ModuleNotFoundError(name=name)


@contextmanager
def needed(*later: str) -> Iterator[None]:
    """End the program with a sentence if a package is missing.

    Parameters
    ----------
    *later
        Packages that the program imports only when it has use for them. Those that it imports at once are imported in
        the block.
    """
    try:
        yield
        for name in later:
            _find(name)
    except ModuleNotFoundError as error:
        sentence = missing(error)
        if sentence is None:
            raise
        sys.stderr.write(f"{PlatformError(sentence)}\n")
        sys.exit(PlatformError.exit_code)
