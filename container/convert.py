"""Converts tables (CSV, .npy, .npz, Parquet) to RecordIO-protobuf, and back, in bounded memory.

Run `python -m container.convert data.csv out/`, or `python -m container.convert out/ data.csv`.
"""

if __name__ == "__main__":
    # First of all: the imports that follow take a moment.
    from container.stopping import end_on_interrupt

    end_on_interrupt()

import argparse
import errno
import sys
from collections.abc import Callable

from container.command_line import check_new_file, local_path
from container.errors import CustomerError, PlatformError
from container.files import json_object
from container.formats.errors import FormatError, excerpt, located
from container.logs.logger import escaping
from container.packages import needed
from container.versions import RELEASE

with needed("pyarrow"):
    from container.conversion.missing import Dropping, MeanFilling
    from container.conversion.rows import Rows
    from container.conversion.sources import TABLES, open_rows
    from container.conversion.table import Options
    from container.conversion.targets import SUFFIXES, Encoder, write_file, write_shards
    from container.conversion.watched import Watched

MAX_SHARDS = 100_000
# The values of --missing.
_MISSING: dict[str, Callable[[Rows], Rows]] = {"error": lambda rows: rows, "drop": Dropping, "mean": MeanFilling}
# Errors of the disk, not of a wrong path.
_DISK_ERRORS = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = _parsed(arguments)
    options = Options(given.labels, given.columns, header=given.header, gaps=given.missing != "error")
    try:
        with located(file=str(given.source)):
            if given.to_file:
                check_new_file(given.target)
            rows = _MISSING[given.missing](open_rows(given.source, options))
            watched = Watched(rows)
            if rows.left_out:
                sys.stderr.write(f"{given.source}: left out {rows.left_out}\n")
            if given.to_file:
                n, size = write_file(watched, given.target, header=given.header)
            else:
                n, size = write_shards(watched, given.target, given.shards, _encoder(sparse=given.sparse))
    except (FormatError, CustomerError) as error:
        sys.stderr.write(f"{error}\n")
        return CustomerError.exit_code
    except MemoryError:
        sys.stderr.write(f"{given.source}: expected more memory than there is\n")
        return PlatformError.exit_code
    except OSError as error:
        # What writes names the file; what reads may not.
        unnamed = error.errno is not None and error.filename is None
        sys.stderr.write(f"{given.source}: {error}\n" if unnamed else f"{error}\n")
        return PlatformError.exit_code if error.errno in _DISK_ERRORS else CustomerError.exit_code
    if remark := rows.remark():
        sys.stderr.write(f"{given.source}: {remark}\n")
    if coarse := watched.coarse():
        sys.stderr.write(
            f"{given.target}: float32 is too coarse for the values of {coarse}: train on CSV, or on records of float64"
            " or int32, or subtract a usual value first\n"
        )
    escaping(sys.stdout).write(f"{given.target}: {n:,} rows of {rows.n_features} features, {size:,} bytes\n")
    return 0


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the arguments, and as `to_file` whether the target is a file."""
    parser = argparse.ArgumentParser(prog="python -m container.convert", description=__doc__)
    parser.add_argument("--version", action="version", version=RELEASE)
    parser.add_argument(
        "source",
        type=local_path,
        help=f"a table ({', '.join(TABLES)}), RecordIO, or a folder of files of either; Parquet may have any name",
    )
    parser.add_argument("target", type=local_path, help=f"a folder for RecordIO, or a file ({', '.join(SUFFIXES)})")
    parser.add_argument("--shards", type=int, default=1, help="number of RecordIO files (default: 1)")
    parser.add_argument("--sparse", action="store_true", help="write only the numbers that are not zero")
    parser.add_argument("--labels", type=int, default=0, help="leading columns to drop (default: 0)")
    parser.add_argument(
        "--columns",
        type=_columns,
        default=(),
        help="the columns to read, by name or by number from 0: a list with commas, or in JSON (default: all)",
    )
    parser.add_argument(
        "--header", action="store_true", help="the first line of CSV, read or written, has the names of the columns"
    )
    parser.add_argument(
        "--missing",
        choices=sorted(_MISSING),
        default="error",
        help="what to do if a number is missing: end with an error, drop the row, or fill in the mean of the feature",
    )
    given = parser.parse_args(arguments)
    if not 1 <= given.shards <= MAX_SHARDS:
        parser.error(f"--shards: expected a number from 1 to {MAX_SHARDS}, got {given.shards}")
    if given.labels < 0:
        parser.error(f"--labels: expected 0 or more, got {given.labels}")
    if given.labels and given.columns:
        parser.error("expected --labels or --columns, got both")
    given.to_file = given.target.suffix.lower() in SUFFIXES
    if given.to_file and (given.shards > 1 or given.sparse):
        parser.error("--shards and --sparse are for RecordIO: expected a folder as target")
    if not given.to_file and given.target.name.lower().endswith(tuple(TABLES)):
        parser.error(f"expected a folder, or a file ({', '.join(SUFFIXES)}), as target, got {given.target.name!r}")
    return given


def _columns(text: str) -> tuple[str, ...]:
    """Return the columns of an argument; a type for argparse."""
    if not text.lstrip().startswith("["):
        return tuple(column.strip() for column in text.split(","))
    try:
        columns = json_object.loads(text.encode())
    except (ValueError, RecursionError):
        columns = None
    if not columns or not all(type(column) in (str, int) for column in columns):
        raise argparse.ArgumentTypeError(f"expected a list of names and numbers in JSON, got {excerpt(text)}")
    return tuple(map(str, columns))


def _encoder(*, sparse: bool) -> Encoder:
    """Return what frames rows, loading no other: kernels take a second to load."""
    if sparse:
        from container.formats.recordio.sparse_kernel import sparse_frames

        return sparse_frames
    from container.formats.recordio.layout import dense_frames

    return dense_frames


if __name__ == "__main__":
    sys.exit(main())
