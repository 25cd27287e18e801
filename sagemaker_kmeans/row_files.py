"""Rows out of CSV, Parquet and .npy files, block by block, and the files of predictions."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from sagemaker_kmeans import bfloat16
from sagemaker_kmeans.whole_file import whole_file

SUFFIXES: Final = (".csv", ".parquet", ".npy")
# Numbers of a block, at most.
_BLOCK_NUMBERS: Final = 1 << 22
_MAX_LINE_CHARACTERS: Final = 64 << 20
# What stands for a missing number in CSV, as in training.
_GAPS: Final = frozenset(("", "nan", "na", "n/a", "<na>", "null", "none"))

Blocks = Iterator[NDArray[Any]]
# Blocks of outputs, an array of each.
Predictions = Iterable[Sequence[NDArray[Any]]]


class RowFileError(ValueError):
    """A file holds no rows of the model; the text says what was expected and what was found."""


def blocks(path: Path, n_features: int, names: Sequence[str] | None, labels: int) -> Blocks:
    """Yield the rows of a file.

    Parameters
    ----------
    path : Path
        It ends with one of `SUFFIXES`.
    n_features : int
        Columns of the model.
    names : sequence of str or None
        Their names. Where the file has all of these, columns are chosen by name, in the model's order.
    labels : int
        Number of leading columns to drop, where columns are not chosen by name.

    Yields
    ------
    ndarray of float64 or of a .npy file's type, shape (n, d)
        The next rows.

    Raises
    ------
    RowFileError
        If it holds something else.
    """
    if path.exists() and not path.is_file():
        raise RowFileError("expected a regular file, got something else")
    read = {".csv": _csv_blocks, ".parquet": _parquet_blocks, ".npy": _npy_blocks}[path.suffix.lower()]
    return read(path, n_features, names, labels)


def _rows_per_block(n_columns: int) -> int:
    return max(1, _BLOCK_NUMBERS // max(1, n_columns))


def _chosen(held: Sequence[str], names: Sequence[str] | None, n_features: int, labels: int) -> list[int]:
    """Return the positions of the model's columns among those of a file."""
    if names is not None and set(names) <= set(held):
        return [_only(held, name) for name in names]
    if len(held) != labels + n_features:
        label_columns = f" after {labels} of labels" if labels else ""
        raise RowFileError(f"expected {n_features} columns{label_columns}, got {len(held)}")
    return list(range(labels, len(held)))


def _only(held: Sequence[str], name: str) -> int:
    """Return the position of a column's name, which must be there once."""
    if held.count(name) > 1:
        raise RowFileError(f"expected each column's name once, got {name!r} twice")
    return held.index(name)


def _csv_blocks(path: Path, n_features: int, names: Sequence[str] | None, labels: int) -> Blocks:
    with path.open(encoding="utf-8-sig") as file:
        try:
            cells = next(csv.reader(_lines(file, 1)), [])
        except csv.Error as cause:
            raise RowFileError(f"in the first line: {cause}") from cause
        if not cells:
            return
        has_names = names is not None and set(names) <= set(cells) and not all(map(_is_number, names))
        columns = _chosen(cells, names if has_names else None, n_features, labels)
        # Where some are numbers, the others are faults in a row, which is not lost.
        if not has_names and any(_is_number(cells[column]) for column in columns):
            file.seek(0)
        row = 0
        step = _rows_per_block(len(cells))
        while lines := _lines(file, step):
            try:
                block = _numbers_of(lines, columns, len(cells))
            except ValueError as cause:
                raise RowFileError(f"after {row} rows: {cause}") from cause
            if block.shape[1] != len(cells):
                raise RowFileError(f"after {row} rows: expected {len(cells)} columns, got {block.shape[1]}")
            row += len(block)
            yield block[:, columns]


def _numbers_of(lines: list[str], columns: Sequence[int], n_cells: int) -> NDArray[np.float64]:
    """Return the numbers in lines, NaN for those that are missing; cells of other columns may hold anything."""
    others: dict[int | str, Any] = dict.fromkeys(set(range(n_cells)).difference(columns), _nothing)
    gaps: dict[int | str, Any] = dict.fromkeys(columns, _number)
    with suppress(ValueError):
        return _parsed(lines, others)
    # Slower, since every cell is looked at in Python.
    return _parsed(lines, others | gaps)


def _parsed(lines: list[str], converters: dict[int | str, Any]) -> NDArray[np.float64]:
    return np.loadtxt(
        lines,
        np.float64,
        delimiter=",",
        comments=None,
        quotechar='"',
        ndmin=2,
        converters=converters or None,
        encoding="utf-8",
    )


def _nothing(text: str) -> float:
    del text
    return 0.0


def _number(text: str) -> float:
    if "_" in text:
        # Which Python takes within numbers.
        raise ValueError(f"expected a number, got {text!r}")
    return np.nan if text.strip().lower() in _GAPS else float(text)


def _lines(file: IO[str], count: int) -> list[str]:
    """Read the next lines that are not empty, none of them without bound."""
    lines: list[str] = []
    while len(lines) < count and (line := file.readline(_MAX_LINE_CHARACTERS)):
        if len(line) == _MAX_LINE_CHARACTERS:
            raise RowFileError(f"expected lines of fewer than {_MAX_LINE_CHARACTERS} characters, got a longer one")
        if line.strip():
            lines.append(line)
    return lines


def _is_number(cell: str) -> bool:
    with suppress(ValueError):
        _number(cell)
        return True
    return False


def _npy_blocks(path: Path, n_features: int, names: Sequence[str] | None, labels: int) -> Blocks:
    del names
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as cause:
        raise RowFileError(f"expected an array of numpy.save: {cause}") from cause
    is_matrix = isinstance(array, np.ndarray) and array.ndim == 2
    is_bfloat16 = is_matrix and array.dtype == "V2" and bfloat16.is_stated_in(path)
    if not is_matrix or not (is_bfloat16 or array.dtype.kind in "fiub"):
        raise RowFileError("expected a matrix of numbers, got something else")
    columns = _chosen([""] * array.shape[1], None, n_features, labels)
    step = _rows_per_block(array.shape[1])
    for start in range(0, len(array), step):
        block = array[start : start + step, columns[0] :]
        yield bfloat16.widened(block.view("<u2")) if is_bfloat16 else block


def _parquet_blocks(path: Path, n_features: int, names: Sequence[str] | None, labels: int) -> Blocks:
    try:
        from sagemaker_kmeans import parquet_rows
    except ImportError as cause:
        raise RowFileError("expected pyarrow for Parquet: pip install pyarrow") from cause
    choose = partial(_chosen, names=names, n_features=n_features, labels=labels)
    try:
        yield from parquet_rows.blocks(path, choose, _rows_per_block(n_features), names or ())
    except parquet_rows.BrokenFileError as cause:
        raise RowFileError(f"expected Parquet of numbers: {cause}") from cause


def write_predictions(path: Path, outputs: Mapping[str, str], predictions: Predictions) -> int:
    """Write predictions, whole or not at all.

    Parameters
    ----------
    path : Path
        It ends with one of `SUFFIXES`; .npy holds a structured array.
    outputs : mapping of str to str
        The outputs by name, in the order of the file, each with its numpy type.
    predictions : iterable of sequence of ndarray, shape (n,)
        Blocks of these outputs.

    Returns
    -------
    int
        Number of rows.
    """
    write = {".csv": _write_csv, ".parquet": _write_parquet, ".npy": _write_npy}[path.suffix.lower()]
    with whole_file(path) as file:
        return write(file, outputs, predictions)


def _write_csv(file: IO[bytes], outputs: Mapping[str, str], predictions: Predictions) -> int:
    count = 0
    file.write(f"{','.join(outputs)}\n".encode())
    for block in predictions:
        # The shortest digits that are this float32.
        lines = [f"{','.join(map(str, values))}\n" for values in zip(*block, strict=True)]
        file.write("".join(lines).encode())
        count += len(lines)
    return count


def _write_npy(file: IO[bytes], outputs: Mapping[str, str], predictions: Predictions) -> int:
    dtype = np.dtype(list(outputs.items()))
    parts = [np.empty(0, dtype)]
    for block in predictions:
        part = np.empty(len(block[0]), dtype)
        for name, values in zip(outputs, block, strict=True):
            part[name] = values
        parts.append(part)
    array = np.concatenate(parts)
    np.save(file, array, allow_pickle=False)
    return len(array)


def _write_parquet(file: IO[bytes], outputs: Mapping[str, str], predictions: Predictions) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as cause:
        raise RowFileError("expected pyarrow for Parquet: pip install pyarrow") from cause
    count = 0
    schema = pyarrow.schema({name: pyarrow.from_numpy_dtype(np.dtype(kind)) for name, kind in outputs.items()})
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for block in predictions:
            writer.write_table(pyarrow.table(list(block), schema=schema))
            count += len(block[0])
    return count
