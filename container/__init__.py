"""The SageMaker edge: files, formats, hyperparameters, serving. It imports `kmeans`, never the reverse."""

import sys


def _is_too_old() -> bool:
    """Return whether this Python lacks what the program needs."""
    if sys.version_info >= (3, 11, 4):
        return False
    import tarfile

    # Debian 12 has backported it to 3.11.2.
    return sys.version_info < (3, 11) or not hasattr(tarfile, "data_filter")


# Every program imports this package first, and an older Python could not even load what follows.
if _is_too_old():
    sys.stderr.write(
        f"Platform Error: expected Python 3.11.4 or newer, got {sys.version.split()[0]}, which {sys.executable} is. "
        "`make setup PYTHON=python3.12` makes an environment with all packages; its Python is .venv/bin/python\n"
    )
    sys.exit(3)
