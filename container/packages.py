"""Packages that are not installed: which one is missing, and how to get a Python that has it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from container.errors import PlatformError

_OWN = ("container", "kmeans")


def missing(error: BaseException) -> str | None:
    """Return a sentence on the package that an import did not find and what to do; None for any other error."""
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
    """End the program with a message if a package is missing.

    Parameters
    ----------
    *later : str
        Packages that the program imports only when it needs them. Those that it needs at once are imported in the
        block.
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
