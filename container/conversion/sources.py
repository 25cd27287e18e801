"""Rows out of files of each format; what reads a format is loaded only when it is needed."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from container.channels.files import channel_files, listed, partitions
from container.conversion.folder_rows import FolderRows
from container.conversion.rows import Rows
from container.conversion.table import Options
from container.errors import CustomerError
from container.files.regular import open_regular
from container.formats.columns import shown_names
from container.formats.errors import FormatError, located
from container.formats.magic import CSV, GZIP, HEAD_BYTES, NPY, PARQUET, RECORDIO, ZIP, recognized, refuse_others

# The suffixes of tables, each with the name of the format that its files begin with.
TABLES: Final = {
    ".csv": CSV,
    ".csv.gz": GZIP,
    ".tsv": CSV,
    ".tsv.gz": GZIP,
    ".npy": NPY,
    ".npz": ZIP,
    ".parquet": PARQUET,
}
_DEFAULTS: Final = Options()


def open_rows(path: Path, options: Options = _DEFAULTS) -> Rows:
    """Open a file or a folder.

    Parquet is recognized by its first bytes, tables of other formats by their suffix, and all else is RecordIO. The
    files of a folder are parts of one table, or all of them hold RecordIO.

    Parameters
    ----------
    path : Path
        The file or folder.
    options : Options
        What to read of a table.

    Returns
    -------
    Rows
        The rows, to be read from the file as often as they are asked for.

    Raises
    ------
    FormatError
        If it does not begin as its format does, or holds no table of numbers.
    CustomerError
        If options are given for RecordIO, which has no use for them.
    OSError
        If it cannot be read, or is neither a regular file nor a folder: rows are read more than once.
    """
    is_folder = path.is_dir()
    files, others = channel_files(path) if is_folder else ([path], [])
    left_out = f"{len(others)} files or folders that are no data, {listed(others, path)}" if others else ""
    formats = {file: _table_format(file) for file in files}
    if not any(formats.values()):
        # A header may still be written.
        if replace(options, header=False) != _DEFAULTS:
            raise CustomerError(
                f"--labels, --columns and --missing are for tables ({', '.join(TABLES)}): in RecordIO labels stand"
                " apart, and are not read"
            )
        if not is_folder:
            _check_beginning(path, RECORDIO)
        from container.conversion.recordio_rows import RecordIORows

        return RecordIORows(path, files, left_out)
    if not is_folder:
        return _open_table(path, formats[path], options)
    # Parts without a row may be empty, or not say how long lists are.
    files = [file for file in files if file.stat().st_size and _may_have_rows(file, formats[file])]
    for file in files:
        if not formats[file]:
            raise FormatError(
                f"expected parts of a table ({', '.join(TABLES)}), got {file.relative_to(path)} among them"
            )
    if names := {name for file in files for name in partitions(file.relative_to(path))}:
        left_out = "; ".join(filter(None, [left_out, f"the columns of partitions, {shown_names(sorted(names))}"]))
    return FolderRows(files, lambda file: _open_table(file, formats[file], options), left_out)


def _table_format(path: Path) -> str:
    """Return the suffix of the table that a file holds; empty for RecordIO."""
    if recognized(_beginning(path)) == PARQUET:
        return ".parquet"
    return next((suffix for suffix in TABLES if path.name.lower().endswith(suffix)), "")


def _may_have_rows(path: Path, suffix: str) -> bool:
    if suffix != ".parquet":
        return True
    from container.conversion.parquet_rows import has_rows

    with located(file=str(path)):
        return has_rows(path)


def _open_table(path: Path, suffix: str, options: Options) -> Rows:
    _check_beginning(path, TABLES[suffix])
    # Imported here: the modules for a format take up to a second to load, in which 300 MB are converted.
    match suffix:
        case ".npy":
            from container.conversion.numpy_rows import NumpyRows

            return NumpyRows(path, options)
        case ".npz":
            from container.conversion.numpy_rows import ZippedRows
            from container.conversion.sparse_rows import SparseRows, is_sparse

            return SparseRows(path, options) if is_sparse(path) else ZippedRows(path, options)
        case ".parquet":
            from container.conversion.parquet_rows import ParquetRows

            return ParquetRows(path, options)
        case _:
            from container.conversion.csv_rows import CSVRows

            return CSVRows(path, options, "\t" if suffix.startswith(".tsv") else ",")


def _beginning(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(HEAD_BYTES)


def _check_beginning(path: Path, expected: str) -> None:
    refuse_others(_beginning(path), expected)
