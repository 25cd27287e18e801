"""The SageMaker edge: files, formats, hyperparameters, serving. It imports `kmeans`, never the reverse."""

import sys

# Every program imports this package first, and an older Python could not even load what follows. From 3.11.0 to 3.11.3
# nothing is missing but the filter of archives.
if sys.version_info < (3, 11):  # noqa: UP036  this is for those who have another one
    sys.stderr.write(
        f"Platform Error: expected Python 3.11.4 or newer, got {sys.version.split()[0]}, which {sys.executable} is. "
        "`make setup PYTHON=python3.12` makes an environment with all packages; its Python is .venv/bin/python\n"
    )
    sys.exit(3)
