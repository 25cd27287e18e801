"""Both ways to read JSON have the same result."""

import numpy as np
import pytest

from container.formats.errors import FormatError
from container.serving.codecs import instances, json_codec, strict_json

VALUES = ["0", "-1.5", "2e3", "16777217", "1.00000005960464477539062500001", "1e-50", "123456789012345678"]
ODD_VALUES = [
    "1" * 30,
    "[1]",
    "[1, 2]",
    "[]",
    "true",
    "null",
    '"1"',
    '"["',
    "{}",
    "1e39",
    "1e999",
    "NaN",
    "+1",
    "01",
    "",
]
DOCUMENTS = [
    '{"instances": [{"features": [%s, 2]}]}',
    '\ufeff{"instances": [{"features": [1, 2]}, {"features": [%s, 2]}]} \n',
    '{"instances": [{"features": [%s]}]}',
    '{"instances": [{"features": [1, 2], "features": [%s, 2]}]}',
    '{"instances": [{"features": [1, 2]}], "instances": [{"features": [%s, 2]}]}',
    '{"instances": [{"features": [1, 2], "configuration": %s}]}',
    '{"instances": [{"features": %s}]}',
    '{"instances": [%s]}',
    '{"instances": %s}',
    '[{"features": [%s, 2]}]',
    "[%s, 2]",
    " [2, %s] ",
    "[[1, 2], [2, %s]]",
    '[[1, 2], %s, {"features": [3, %s]}]',
    '{"instances": [[%s, 2], [2, %s]]}',
    '{"instances": [[1, 2], [%s]]}',
    '{"instances": [[1, 2]], "more": %s}',
    '{"more": %s, "instances": [[1, 2]]}',
    '{"features": [1, %s]}',
    '{"features": [1, 2], "id": %s}',
    '{"instances": [{"id": %s, "features": [1, 2]}]}',
    '{"instances": [{"features": [%s, 2]}]}]',
    '{"instances": [{"features": [1, %s, 2]]}}',
    '{"instances": [{"data": {"features": {"values": [%s, 2]}}}]}',
    r'{"instances": [{"feat\u0075res": [%s, 2]}]}',
    "%s",
]


def outcome(document: bytes) -> object:
    try:
        return [row for block in json_codec.decode([document], 2) for row in block.rows.tolist()]
    except FormatError as error:
        return str(error)


def expected(document: bytes) -> object:
    try:
        return instances.rows(list(strict_json.elements(strict_json.text_of(document))), 2, "instance").tolist()
    except FormatError as error:
        return str(error)


@pytest.mark.parametrize("value", VALUES + ODD_VALUES)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_any_value_anywhere(document: str, value: str) -> None:
    body = document.replace("%s", value).encode()
    assert outcome(body) == expected(body)


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"instances": [{"features": [1, 2]}], "\xff": 1}', b"[" * 5000])
def test_bytes_that_are_no_json(body: bytes) -> None:
    assert outcome(body) == expected(body)


def test_plain_instances_do_not_need_the_other_parser() -> None:
    for document in (
        b'{"instances": [{"features": [1, 2]}, {"features": [-3e-2, 4.5]}]}',
        b'{"instances": [[1, 2], [-3e-2, 4.5]]}',
        b"[[1, 2], [-3e-2, 4.5]]",
        b'[[1, 2], {"features": [-3e-2, 4.5]}]',
        b"[-3e-2, 4.5]",
    ):
        rows = json_codec._plain_rows(document, 2)
        assert rows is not None
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows[-1], np.array([-3e-2, 4.5], np.float32))
