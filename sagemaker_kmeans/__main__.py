"""Ask a K-means model from the command line: python -m sagemaker_kmeans predict MODEL FILE OUT."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagemaker_kmeans import LocalModel, ModelError, __version__, load
from sagemaker_kmeans.row_files import SUFFIXES, RowFileError, blocks, write_predictions


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 2 for a user error."""
    parser = argparse.ArgumentParser(prog="python -m sagemaker_kmeans", description=__doc__)
    parser.add_argument("--version", action="version", version=f"sagemaker-kmeans {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="write the closest cluster of each row, and the distance to it")
    predict.add_argument("model", help="model.tar.gz, its folder, a bare model_algo-1, or s3://BUCKET/KEY")
    predict.add_argument("file", type=_data_file, help=f"rows ({', '.join(SUFFIXES)})")
    predict.add_argument("out", type=_data_file, help=f"a new file for predictions ({', '.join(SUFFIXES)})")
    predict.add_argument("--labels", type=int, default=0, metavar="N", help="leading columns to drop (default: 0)")
    export = commands.add_parser("to-onnx", help="write the model as an ONNX graph")
    export.add_argument("model", help="as for predict")
    export.add_argument("out", type=Path, help="the .onnx file")
    given = parser.parse_args(arguments)
    try:
        if given.command == "to-onnx":
            load(given.model).to_onnx(given.out)
        else:
            if given.labels < 0:
                parser.error(f"--labels: expected 0 or more, got {given.labels}")
            if given.out.exists():
                parser.error(f"{given.out}: expected a new file, but it exists")
            model = load(given.model)
            count = write_predictions(given.out, _predictions(model, given.file, given.labels))
            sys.stderr.write(f"{count} rows\n")
    except (ModelError, ImportError) as error:
        return _failed(str(error))
    except OSError as error:
        # Of the rows or of the results.
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValueError as error:
        return _failed(f"{given.file}: {error}")
    return 0


def _data_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"expected a name that ends with {', '.join(SUFFIXES)}, got {text}")
    return path


def _predictions(model: LocalModel, file: Path, labels: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    row = 0
    block: NDArray[Any]
    for block in blocks(file, model.centers.shape[1], model.feature_names, labels):
        try:
            yield model.predict_with_distances(block)
        except ValueError as cause:
            raise RowFileError(f"in the {len(block)} rows after {row}: {cause}") from cause
        row += len(block)


def _failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
