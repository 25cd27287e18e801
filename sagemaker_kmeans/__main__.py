"""Ask a K-means model from the command line: python -m sagemaker_kmeans predict MODEL FILE OUT."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from sagemaker_kmeans import LocalModel, ModelError, __version__, load
from sagemaker_kmeans.row_files import SUFFIXES, RowFileError, blocks, write_predictions

# What may be written, with the numpy type of each.
OUTPUTS: Final = {
    "closest_cluster": "<i8",
    "distance_to_cluster": "<f4",
    "normalized_distance": "<f4",
    "is_anomaly": "<i1",
}
DEFAULT_OUTPUT: Final = "closest_cluster,distance_to_cluster"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 2 for a user error."""
    parser = argparse.ArgumentParser(prog="python -m sagemaker_kmeans", description=__doc__)
    parser.add_argument("--version", action="version", version=f"sagemaker-kmeans {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="write the closest cluster of each row, and the distance to it")
    predict.add_argument("model", help="model.tar.gz, its folder, a bare model_algo-1, or s3://BUCKET/KEY")
    predict.add_argument("file", type=_data_file, help=f"rows ({', '.join(SUFFIXES)})")
    predict.add_argument("out", type=_data_file, help=f"a file for predictions ({', '.join(SUFFIXES)})")
    predict.add_argument(
        "--output",
        type=_outputs,
        default=DEFAULT_OUTPUT,
        metavar="NAMES",
        help=f"what to write, some of {','.join(OUTPUTS)} (default: %(default)s)",
    )
    predict.add_argument(
        "--contamination",
        type=_contamination,
        metavar="PART",
        help="part of the training rows that is_anomaly is 1 for",
    )
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
            if any(_are_one_file(given.out, other) for other in (given.file, given.model)):
                parser.error(f"{given.out}: expected another file than those that are read")
            model = load(given.model)
            outputs = {name: OUTPUTS[name] for name in given.output}
            count = write_predictions(given.out, outputs, _predictions(model, given))
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


def _are_one_file(out: Path, other: str | Path) -> bool:
    return out.exists() and Path(other).exists() and out.samefile(other)


def _outputs(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= OUTPUTS.keys() or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected different names of {', '.join(OUTPUTS)}, got {text}")
    return names


def _contamination(text: str) -> float:
    if not 0.00001 <= (part := float(text)) <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a number from 0.00001 to 0.5, got {text}")
    return part


def _predictions(model: LocalModel, given: argparse.Namespace) -> Iterator[list[NDArray[Any]]]:
    row = 0
    block: NDArray[Any]
    for block in blocks(given.file, model.centers.shape[1], model.feature_names, given.labels):
        try:
            found = model.outputs(block, given.output, given.contamination)
        except ModelError:
            raise
        except ValueError as cause:
            raise RowFileError(f"in the {len(block)} rows after {row}: {cause}") from cause
        yield [found[name].astype(OUTPUTS[name], copy=False) for name in given.output]
        row += len(block)


def _failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
