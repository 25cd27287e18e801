"""Check paths on the command line."""

import argparse
import re
from pathlib import Path
from typing import Final

from container.errors import CustomerError

# `Path` turns two slashes into one.
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def local_path(text: str) -> Path:
    """Return an argument as a path on this machine; a type for argparse.

    Raises
    ------
    ArgumentTypeError
        If it is empty, or a URL such as ``s3://bucket/key``, which as a path would be in a folder named ``s3:``.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got nothing")
    if _ADDRESS.match(text):
        raise argparse.ArgumentTypeError(
            f"expected a path on this machine, got {text[:200]!r}: `aws s3 cp` copies from S3 and to it"
        )
    return Path(text)


def check_new_file(path: Path) -> None:
    """Raise a CustomerError if no file can be created at a path: it is a folder, or its parent is not."""
    if path.is_dir():
        raise CustomerError(f"{path}: expected a file to write, got a folder")
    if not path.parent.is_dir():
        raise CustomerError(f"{path}: expected a file in a folder that exists, got {path.parent}")
