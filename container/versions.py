"""Which release this is, and the versions of the packages that it computes with."""

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from kmeans import __version__

PROGRAM: Final = "sagemaker-kmeans"
# What `--version` prints.
RELEASE: Final = f"{PROGRAM} {__version__}"
# The packages that compute a model, and those that carry it from host to host.
COMPUTING: Final = ("numpy", "numba")
CARRYING: Final = ("mpi4py", "mpich")


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of this program, of Python and of packages, by name.

    Parameters
    ----------
    *packages : str
        Names of distributions.

    Returns
    -------
    dict of str to str
        This program and Python first.

    Raises
    ------
    PackageNotFoundError
        If one is not installed; it is a ModuleNotFoundError.
    """
    own = {PROGRAM: __version__, "python": platform.python_version()}
    return own | {package: version(package) for package in packages}


def answer_version(arguments: Sequence[str]) -> None:
    """Print the release and end the program if ``--version`` is all that it is asked.

    Parameters
    ----------
    arguments : sequence of str
        Those of the command line.
    """
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"{RELEASE}\n")
        sys.exit()
