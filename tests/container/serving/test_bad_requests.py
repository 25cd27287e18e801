"""Every kind of bad request, with the sentence that refuses it, against a running server."""

import gzip

import pytest

from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO, TEXT, dense, frame
from tools.server_process import ServerProcess


def instance(text: str) -> bytes:
    return b'{"instances": [{"features": [0, 0, 0]}, %s]}' % text.encode()


BAD_BODIES = {
    "csv, empty": (CSV, b"", "expected at least one record, got none"),
    "csv, only line ends": (CSV, b"\n\n", "expected at least one record, got none"),
    "csv, too few": (CSV, b"0,0,0\n1,2\n", "record 2: expected 3 columns, got 2"),
    "csv, too many": (CSV, b"0,0,0,0\n", "record 1: expected 3 columns, got 4"),
    "csv, a word": (CSV, b"0,0,0\n0,abc,0\n", "record 2, column 1: expected a number, got 'abc'"),
    "csv, nan": (CSV, b"0,0,nan\n", "record 1, column 2: expected a number, got nan"),
    "csv, infinity": (CSV, b"0,inf,0\n", "record 1, column 1: expected a finite number, got inf"),
    "csv, beyond float32": (CSV, b"0,1e39,0\n", "record 1, column 1: expected a number in the range of float32"),
    "csv, not UTF-8": (CSV, b"0,\xff,0\n", "record 1, column 1: expected text in UTF-8, got the byte 0xff"),
    "csv, compressed": (CSV, gzip.compress(b"0,0,0\n"), "record 1: expected CSV, got gzip: unpack it with gunzip"),
    "csv, ends of old Macs": (CSV, b"0,0,0\r1,2,3\r", "record 1: expected lines that end in LF or CR LF, got CR alone"),
    "csv, a long one": (CSV, b"0,0,0\n" * 5000 + b"0,x,0\n", "record 5001, column 1: expected a number, got 'x'"),
    "csv, too far away": (
        CSV,
        b"0,0,0\n3.4e38,3.4e38,3.4e38\n",
        "record 2: expected a row whose distance to the closest cluster is in the range of float32",
    ),
    "json, empty": (JSON, b"", "expected JSON, got an empty body"),
    "json, only blanks": (JSON, b" \r\n\t", "expected JSON, got an empty body"),
    "json, cut off": (JSON, b'{"instances": [', "expected JSON, got the end at line 1, column 16"),
    "json, broken": (JSON, b'{"instances": [}', "expected JSON, got '}' at line 1, column 16"),
    "json, more after it": (JSON, b'{"instances": []} x', "expected JSON, got 'x' at line 1, column 19"),
    "json, not UTF-8": (JSON, b'{"instances": "\xff"}', "expected UTF-8, got the byte 0xff at 16"),
    "json, UTF-16": (JSON, '{"instances": []}'.encode("utf-16"), "expected UTF-8, got the byte 0xff at 1"),
    "json, deep": (JSON, b"[" * 100_000, "expected JSON that is nested less deeply"),
    "json, no instances": (JSON, b'{"instances": []}', "expected at least one record, got none"),
    "json, an empty list": (JSON, b"[]", "expected at least one record, got none"),
    "json, a row of words": (JSON, b'["a", "b", "c"]', 'instance 1: expected {"features": [...]}, '),
    "json, a row and a list": (JSON, b"[0, 0, [0]]", "instance 1, column 2: expected a number, got [0]"),
    "json, a short list among lists": (JSON, b"[[0, 0, 0], [1, 2]]", "instance 2: expected 3 values, got 2"),
    "json, lists of lists": (JSON, b"[[[0, 0, 0], [0, 0, 0]]]", "instance 1: expected 3 values, got 2"),
    "json, a number": (JSON, b"5", 'expected {"instances": [...]} or a list, got 5'),
    "json, another object": (JSON, b'{"rows": []}', 'instance 1: expected {"features": [...]}, '),
    "json, instances no list": (JSON, b'{"instances": {}}', 'expected {"instances": [...]}, got {"instances": {}}'),
    "json, features next to instances": (
        JSON,
        b'{"features": [0, 0, 0], "instances": [[0, 0, 0]]}',
        "expected no features next to instances, got 'features'",
    ),
    "json, no comma between names": (JSON, b'{"instances": [] "a": 1}', "expected JSON, got '"),
    "json, Infinity next to instances": (
        JSON,
        b'{"a": Infinity, "instances": []}',
        "expected a finite number, got Infinity",
    ),
    "json, a name twice": (
        JSON,
        b'{"instances": [], "instances": []}',
        "expected each name once, got 'instances' twice",
    ),
    "json, too few": (JSON, instance('{"features": [1, 2]}'), "instance 2: expected 3 values, got 2"),
    "json, a string": (
        JSON,
        instance('{"features": [1, "2", 3]}'),
        'instance 2, column 1: expected a number, got "2"',
    ),
    "json, a truth value": (
        JSON,
        instance('{"features": [1, 2, true]}'),
        "instance 2, column 2: expected a number, got true",
    ),
    "json, null": (JSON, instance('{"features": [null, 2, 3]}'), "instance 2, column 0: expected a number, got null"),
    "json, a list in a list": (
        JSON,
        instance('{"features": [[1, 2, 3], 2, 3]}'),
        "instance 2, column 0: expected a number, got [1, 2, 3]",
    ),
    "json, NaN": (JSON, instance('{"features": [2, NaN, 3]}'), "instance 2, column 1: expected a number, got NaN"),
    "json, rows of NaN": (JSON, b"[NaN, 2, 3]", "instance 1, column 0: expected a number, got NaN"),
    "jsonlines, NaN": (JSON_LINES, b"[1, 2, 3]\n[1, 2, NaN]", "line 2, column 2: expected a number, got NaN"),
    "json, NaN as a key": (
        JSON,
        instance('{"features": {"keys": [NaN], "values": [1], "shape": [3]}}'),
        "instance 2: expected a list of whole numbers as keys, got [NaN]",
    ),
    "json, Infinity": (JSON, instance('{"features": [-Infinity, 2, 3]}'), "expected a finite number, got -Infinity"),
    "json, beyond float32": (
        JSON,
        instance('{"features": [1, -1e39, 3]}'),
        "instance 2, column 1: expected a number in the range of float32, got -1e+39",
    ),
    "json, beyond float64": (
        JSON,
        instance('{"features": [1, 1e999, 3]}'),
        "instance 2, column 1: expected a number in the range of float32, got Infinity",
    ),
    "json, a whole number beyond float64": (
        JSON,
        instance('{"features": [1, 1%s, 3]}' % ("0" * 400)),
        "instance 2, column 1: expected a number in the range of float32, got 10000",
    ),
    # The largest of the whole numbers that round to the float64 from which on float32 has infinity.
    "json, a whole number that rounds beyond float32": (
        JSON,
        instance(f'{{"features": [1, {2**128 - 2**103 - 2**74}, 3]}}'),
        "instance 2, column 1: expected a number in the range of float32, got 34028",
    ),
    "json lines, a whole number that rounds beyond float32": (
        JSON_LINES,
        b"[0, -%d, 0]" % (2**128 - 2**103 - 1),
        "line 1, column 1: expected a number in the range of float32, got -34028",
    ),
    "json, very many digits": (
        JSON,
        instance('{"features": [1, %s, 3]}' % ("1" * 5000)),
        "expected numbers of fewer digits",
    ),
    "json, both shapes": (
        JSON,
        instance('{"features": [1, 2, 3], "data": {"features": {"values": [1, 2, 3]}}}'),
        "instance 2: expected features or data, got both",
    ),
    "json, another shape": (JSON, instance('{"values": [1, 2, 3]}'), 'instance 2: expected {"features": [...]}, '),
    "json, a short bare list": (JSON, instance("[1, 2]"), "instance 2: expected 3 values, got 2"),
    "json, features no list": (JSON, instance('{"features": "1,2,3"}'), 'instance 2: expected {"features": [...]}, '),
    "json, a name next to features twice": (
        JSON,
        instance('{"id": 1, "id": 2, "features": [1, 2, 3]}'),
        "expected each name once, got 'id' twice",
    ),
    "json, values no list": (
        JSON,
        instance('{"data": {"features": {"values": 1}}}'),
        "instance 2: expected a list of values, got 1",
    ),
    "json, an unknown name": (
        JSON,
        instance('{"data": {"features": {"values": [1, 2, 3], "index": [0]}}}'),
        "instance 2: expected no name but keys, shape, values in features, got 'index'",
    ),
    "json, another dense shape": (
        JSON,
        instance('{"data": {"features": {"values": [1, 2, 3], "shape": [4]}}}'),
        "instance 2: expected a shape of 3 values, got the shape [4]",
    ),
    "json, a shape of negative numbers": (
        JSON,
        instance('{"features": {"values": [1, 2, 3], "shape": [-1, -3]}}'),
        "instance 2: expected a shape of 3 values, got the shape [-1, -3]",
    ),
    "json, a shape of words": (
        JSON,
        instance('{"features": {"values": [1, 2, 3], "shape": ["3"]}}'),
        'instance 2: expected a list of whole numbers as shape, got ["3"]',
    ),
    "json, no keys, no values and no shape": (
        JSON,
        instance('{"features": {"keys": [], "values": [], "shape": []}}'),
        "instance 2: expected 3 values, got 0",
    ),
    "json, sparse of another shape": (
        JSON,
        instance('{"data": {"features": {"keys": [0], "shape": [2000], "values": [1]}}}'),
        "instance 2: expected a sparse tensor of the shape [3], got [2000]",
    ),
    "json, a key out of range": (
        JSON,
        instance('{"data": {"features": {"keys": [0, 3], "shape": [3], "values": [1, 1]}}}'),
        "instance 2: expected keys from 0 to 2, got 3",
    ),
    "json, a negative key": (
        JSON,
        instance('{"data": {"features": {"keys": [-1], "shape": [3], "values": [1]}}}'),
        "instance 2: expected keys from 0 to 2, got -1",
    ),
    "json, values of a key whose sum is too large": (
        JSON,
        instance('{"data": {"features": {"keys": [0, 1, 1], "shape": [3], "values": [1, 3e38, 3e38]}}}'),
        "instance 2, column 1: expected a number in the range of float32, got 6e+38",
    ),
    "json, values of a key beyond float64": (
        JSON,
        instance('{"features": {"keys": [1, 1], "values": [1, 1%s]}}' % ("0" * 400)),
        "instance 2, column 1: expected a number in the range of float32, got 10000",
    ),
    "json, a fractional key": (
        JSON,
        instance('{"data": {"features": {"keys": [1.0], "shape": [3], "values": [1]}}}'),
        "instance 2: expected a list of whole numbers as keys, got [1.0]",
    ),
    "json, more keys than values": (
        JSON,
        instance('{"data": {"features": {"keys": [0, 1], "shape": [3], "values": [1]}}}'),
        "instance 2: expected as many values as keys (2), got 1",
    ),
    "json, a string in a sparse row": (
        JSON,
        instance('{"data": {"features": {"keys": [2], "shape": [3], "values": ["a"]}}}'),
        'instance 2, column 2: expected a number, got "a"',
    ),
    "json, a sparse value beyond float32": (
        JSON,
        instance('{"data": {"features": {"keys": [2], "shape": [3], "values": [1e39]}}}'),
        "instance 2, column 2: expected a number in the range of float32, got 1e+39",
    ),
    "json, half a surrogate pair": (
        JSON,
        instance(r'{"features": ["\ud800", 0, 0]}'),
        r'instance 2, column 0: expected a number, got "\ud800"',
    ),
    "jsonlines, empty": (JSON_LINES, b"", "expected at least one record, got none"),
    "jsonlines, broken": (
        JSON_LINES,
        b'{"features": [0, 0, 0]}\n{"features": [0, 0\n',
        "line 2: expected JSON, got the end at column 19",
    ),
    "jsonlines, an empty line": (
        JSON_LINES,
        b'{"features": [0, 0, 0]}\n\n{"features": [0, 0, 0]}\n',
        "line 2: expected JSON, got an empty line",
    ),
    "jsonlines, a line of blanks": (
        JSON_LINES,
        b'{"features": [0, 0, 0]}\n \t\r\n{"features": [0, 0, 0]}\n',
        "line 2: expected JSON, got an empty line",
    ),
    "jsonlines, an empty line first": (JSON_LINES, b"\n[0, 0, 0]\n", "line 1: expected JSON, got an empty line"),
    "jsonlines, two rows in a line": (JSON_LINES, b"[[0, 0, 0], [0, 0, 0]]\n", "line 1: expected 3 values, got 2"),
    "jsonlines, bare lists without brackets": (
        JSON_LINES,
        b"[0, 0, 0]\n0, 0, 0\n",
        "line 2: expected JSON, got ', 0, 0' at column 2",
    ),
    "jsonlines, a string": (
        JSON_LINES,
        b'{"features": [0, 0, 0]}\n' * 6 + b'{"features": [0, 0, "a"]}\n',
        'line 7, column 2: expected a number, got "a"',
    ),
    "jsonlines, instances": (
        JSON_LINES,
        b'{"instances": [{"features": [0, 0, 0]}]}\n',
        'line 1: expected {"features": [...]}, ',
    ),
    "recordio, empty": (RECORDIO, b"", "expected at least one record, got none"),
    "recordio, another magic": (RECORDIO, b"\0" * 36, "record 1: expected the RecordIO magic 0xCED7230A"),
    "recordio, text": (RECORDIO, b"0.25,0.5,0.75\n", "record 1: expected RecordIO, got text: CSV has the content type"),
    "recordio, two without frames": (
        RECORDIO,
        dense(0, 0, 0) * 2,
        "record 1: expected frames, or one record without a frame, got several without",
    ),
    "recordio, a short one without a frame": (
        RECORDIO,
        b"\x0a\x12\x0a\x06values\x12\x08\x12\x06\x0a\x04\x00\x00\x80\x3f",
        "record 1: expected 3 values, got 1",
    ),
    "recordio, one without a frame but with a frame after it": (
        RECORDIO,
        dense(0, 0, 0) + frame(dense(0, 0, 0)),
        "record 1: expected the RecordIO magic 0xCED7230A",
    ),
    "recordio, torn": (RECORDIO, frame(dense(0, 0, 0)) * 2 + frame(dense(0, 0, 0))[:-4], "record 3: expected 28 bytes"),
    "recordio, no protobuf": (RECORDIO, frame(b"\xff" * 8), "record 1: expected a protobuf Record message"),
    "recordio, no values": (RECORDIO, frame(b"\x1a\x01a"), "record 1: expected a feature named 'values', got none"),
    "recordio, nan": (
        RECORDIO,
        frame(dense(0, 0, 0)) + frame(dense(0, float("nan"), 0)),
        "record 2, column 1: expected a number, got nan",
    ),
    "recordio, too few": (
        RECORDIO,
        frame(b"\x0a\x12\x0a\x06values\x12\x08\x12\x06\x0a\x04\x00\x00\x80\x3f"),
        "record 1: expected 3 values, got 1",
    ),
    "recordio, a uid that is no text": (
        RECORDIO,
        frame(dense(0, 0, 0)) + frame(dense(0, 0, 0) + b"\x1a\x01\xff"),
        r"record 2: expected uid to be UTF-8, got b'\xff'",
    ),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_bad_body_is_refused_with_a_sentence(server: ServerProcess, case: str) -> None:
    content_type, body, expected = BAD_BODIES[case]
    answer = server.invoke(body, content_type)
    assert (answer.status, answer.content_type) == (400, TEXT)
    assert answer.body.decode().startswith(f"unable to evaluate payload provided: {expected}")
    assert answer.body.endswith(b"\n")


@pytest.mark.parametrize(
    ("content_type", "accept", "status", "expected"),
    [
        ("text/plain", JSON, 415, "expected Content-Type application/json or "),
        ("application/x-www-form-urlencoded", JSON, 415, "expected Content-Type application/json or "),
        ("text/csv; label_size=1", JSON, 415, "expected label_size=0, for a row to predict has no label, got '1'"),
        ("text/csv; charset=latin-1", JSON, 415, "expected charset utf-8, got 'latin-1'"),
        ("application/jsonlines; encoding=UTF-16", JSON, 415, "expected encoding utf-8, got 'UTF-16'"),
        (CSV, "text/csv; charset=utf-16", 406, "expected Accept application/json or "),
        (CSV, "text/html", 406, "expected Accept application/json or "),
        (CSV, "*/*;q=0", 406, "expected Accept application/json or "),
    ],
)
def test_an_unknown_type_is_refused(
    server: ServerProcess, content_type: str, accept: str, status: int, expected: str
) -> None:
    answer = server.invoke(b"0,0,0\n", content_type, accept)
    assert (answer.status, answer.content_type) == (status, TEXT)
    assert answer.body.decode().startswith(expected)
