"""The table of hyperparameters in `sagemaker_kmeans`, made from that of `container`, which it must not import."""

from collections.abc import Iterable

from container.configuration import domains
from container.configuration.hyperparameters import TABLE, Hyperparameter


def table(rows: Iterable[Hyperparameter] = TABLE) -> str:
    """Return the rows as Python, for `sagemaker_kmeans/hyperparameters.py`."""
    calls = [f"    {_call(row)},\n" for row in rows if row.origin != "hidden"]
    return f"TABLE: Final = (\n{''.join(calls)})\n"


def _call(row: Hyperparameter) -> str:
    arguments = [f'"{row.name}"']
    match row.domain:
        case domains.Integer(minimum, _, auto):
            kind = "integer"
            arguments += [str(minimum), "auto=True"] if auto else [str(minimum)]
        case domains.Continuous(minimum, maximum):
            kind = "number"
            arguments += [str(minimum), str(maximum)]
        case domains.Categorical(values):
            kind = "word"
            arguments += map(_quoted, values)
        case domains.Flag(auto):
            kind = "flag"
            arguments += ["auto=True"] if auto else []
        case domains.Subset(values):
            kind = "words"
            arguments += map(_quoted, values)
        case _:
            kind = "text"
    return f"{kind}({', '.join(arguments)})"


def _quoted(word: str) -> str:
    return f'"{word}"'
