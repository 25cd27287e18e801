"""Answers as text: numbers between fixed words, row by row.

Every number has a decimal point, and float32 is widened to float64 before it is written, shortest form first: the text
of a number does not depend on how many there are. Short answers are written by Python, long ones by pyarrow's compute
functions, which take a third of the time.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Up to this many rows Python is as fast, and pyarrow need not be imported.
_MAX_SHORT_ROWS = 64
# The texts of this many whole numbers are cheap to write in advance.
_MAX_DISTINCT = 1000
# Between these, pyarrow writes the float64 numbers that have a fraction as Python does.
_MIN_ALIKE, _END_ALIKE = 1e-4, 1e15


def csv_lines(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a line for each row; an output of several numbers is a list in quotation marks, as in other containers."""
    words = [""]
    for position, values in enumerate(columns.values()):
        separator = "," if position else ""
        _add_words(words, values, (separator, ""), (f'{separator}"[', ']"'))
    words[-1] += "\n"
    return _rows(words, columns)


def json_objects(columns: Mapping[str, NDArray[Any]], end: str) -> bytes:
    """Return a JSON object for each row, followed by `end`."""
    words = ["{"]
    for position, (name, values) in enumerate(columns.items()):
        head = f'{", " if position else ""}"{name}": '
        _add_words(words, values, (head, ""), (f"{head}[", "]"))
    words[-1] += f"}}{end}"
    return _rows(words, columns)


def _add_words(
    words: list[str], values: NDArray[Any], around_number: tuple[str, str], around_list: tuple[str, str]
) -> None:
    """Add the text around the numbers of an output; the last of `words` is the text before them."""
    before, after = around_number if values.ndim == 1 else around_list
    words[-1] += before
    words += [", "] * (values[0].size - 1) + [after]


def _rows(words: list[str], columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the rows, each with a number between every two words."""
    numbers = [column for values in columns.values() for column in (values.T if values.ndim == 2 else [values])]
    if len(numbers[0]) > _MAX_SHORT_ROWS:
        return _long(words, numbers)
    template = "%s".join(words)
    texts = (map(repr, column.astype(np.float64).tolist()) for column in numbers)
    return "".join([template % row for row in zip(*texts, strict=True)]).encode()


def _long(words: list[str], numbers: list[NDArray[Any]]) -> bytes:
    # Imported here because it costs more time than a short answer takes to write.
    import pyarrow
    import pyarrow.compute

    pieces: list[Any] = []
    before = words[0]
    for column, after in zip(numbers, words[1:], strict=True):
        largest = column.max()
        if np.issubdtype(column.dtype, np.integer) and largest <= _MAX_DISTINCT:
            texts = _strings([f"{before}{float(number)!r}{after}" for number in range(largest + 1)])
            pieces.append(texts.take(_array(pyarrow.int64(), np.ascontiguousarray(column, np.int64))))
            before = ""
        else:
            pieces += [_strings([before])[0], *_texts(column.astype(np.float64))]
            before = after
    joined = pyarrow.compute.binary_join_element_wise(*pieces, *_strings([before, ""]))
    # The strings of an array lie one after the other.
    _, ends, strings = joined.buffers()
    return bytes(strings[: np.frombuffer(ends, np.int32)[len(joined)]])


def _texts(numbers: NDArray[np.float64]) -> tuple[Any, ...]:
    """Return the texts of numbers that are 0 or more, in one piece or several."""
    import pyarrow
    import pyarrow.compute

    whole = numbers == np.floor(numbers)
    if whole.all() and numbers.max() < _END_ALIKE:
        return _array(pyarrow.int64(), numbers.astype(np.int64)).cast(pyarrow.string()), _strings([".0"])[0]
    texts = _array(pyarrow.float64(), numbers).cast(pyarrow.string())
    unlike = whole | (numbers < _MIN_ALIKE) | (numbers >= _END_ALIKE)
    if unlike.any():
        as_python = _strings([repr(number) for number in numbers[unlike].tolist()])
        mask = pyarrow.Array.from_buffers(
            pyarrow.bool_(), len(unlike), [None, pyarrow.py_buffer(np.packbits(unlike, bitorder="little"))]
        )
        texts = pyarrow.compute.replace_with_mask(texts, mask, as_python)
    return (texts,)


# Arrays are made of their buffers: `pyarrow.array` looks for pandas, and imports it if it is installed.


def _array(kind: Any, numbers: NDArray[Any]) -> Any:
    import pyarrow

    return pyarrow.Array.from_buffers(kind, len(numbers), [None, pyarrow.py_buffer(numbers)])


def _strings(texts: list[str]) -> Any:
    """Return texts of ASCII as an array."""
    import pyarrow

    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pyarrow.StringArray.from_buffers(
        len(texts), pyarrow.py_buffer(ends), pyarrow.py_buffer("".join(texts).encode())
    )
