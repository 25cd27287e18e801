"""The release of this program, and the versions of the packages that it computes with."""

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from kmeans import __version__

PROGRAM: Final = "sagemaker-kmeans"
# The output of `--version`.
RELEASE: Final = f"{PROGRAM} {__version__}"
# The packages that compute a model, and those that hosts communicate with.
COMPUTING: Final = ("numpy", "numba")
COMMUNICATING: Final = ("mpi4py", "mpich")


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of this program, of Python and of packages, by name.

    Parameters
    ----------
    *packages : str
        Names of distributions.

    Returns
    -------
    dict of str to str
        The versions by name; this program and Python come first.

    Raises
    ------
    PackageNotFoundError
        If a package is not installed; this is a ModuleNotFoundError.
    """
    own = {PROGRAM: __version__, "python": platform.python_version()}
    return own | {package: version(package) for package in packages}


def answer_version(arguments: Sequence[str]) -> None:
    """Print the release and end the program if the only argument is ``--version``.

    Parameters
    ----------
    arguments : sequence of str
        The arguments of the command line.
    """
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"{RELEASE}\n")
        sys.exit()
