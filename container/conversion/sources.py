"""Rows out of files of each format; what reads a format is loaded only when it is needed."""

from pathlib import Path
from typing import Final

from container.conversion.rows import Rows
from container.files.regular import open_regular
from container.formats.magic import CSV, HEAD_BYTES, NPY, PARQUET, RECORDIO, ZIP, refuse_others

_NAMES: Final = {".csv": CSV, ".npy": NPY, ".npz": ZIP, ".parquet": PARQUET}


def open_rows(path: Path, labels: int = 0) -> Rows:
    """Open a file by its suffix; a folder, and a file of any other suffix, hold RecordIO.

    Parameters
    ----------
    path : Path
        The file or folder.
    labels : int
        Leading columns to drop.

    Raises
    ------
    FormatError
        If it does not begin as its format does, or holds no table of numbers.
    OSError
        If it cannot be read, or is neither a regular file nor a folder: rows are read more than once.
    """
    is_folder = path.is_dir()
    suffix = "" if is_folder else path.suffix.lower()
    if not is_folder:
        with open_regular(path) as file:
            refuse_others(file.read(HEAD_BYTES), _NAMES.get(suffix, RECORDIO))
    # Imported here: the modules for a format take up to a second to load, in which 300 MB are converted.
    match suffix:
        case ".csv":
            from container.conversion.csv_rows import CSVRows

            return CSVRows(path, labels)
        case ".npy":
            from container.conversion.numpy_rows import NumpyRows

            return NumpyRows(path, labels)
        case ".npz":
            from container.conversion.numpy_rows import ZippedRows

            return ZippedRows(path, labels)
        case ".parquet":
            from container.conversion.parquet_rows import ParquetRows

            return ParquetRows(path, labels)
        case _:
            from container.conversion.recordio_rows import RecordIORows

            return RecordIORows(path)
