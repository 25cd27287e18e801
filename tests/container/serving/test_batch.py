"""What batch transform relies on."""

import json
import random
from pathlib import Path

import pytest

from container.resources import cpu_count
from tests.container.serving.wire import CSV, JSON, JSON_LINES
from tools.server_process import ServerProcess, serving

SHAPES = (
    '{{"features": [{0}, {1}, {2}]}}',
    '{{"data": {{"features": {{"values": [{0}, {1}, {2}]}}}}}}',
    "[{0}, {1}, {2}]",
    '{{"id": "a{1}", "features": {{"values": [{0}, {1}, {2}], "shape": [1, 3]}}}}',
    '{{"configuration": {{}}, "data": {{"features": {{"keys": [2, 0, 1], "shape": [3], "values": [{2}, {0}, {1}]}}}}}}',
)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (min(cpu_count(), 16), "MULTI_RECORD", 6)),
        (
            {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "100", "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD"},
            (1, "SINGLE_RECORD", 100),
        ),
    ],
)
def test_execution_parameters(base: Path, environment: dict[str, str], expected: tuple[int, str, int]) -> None:
    with serving(base, **environment) as server:
        answer = server.request("GET", "/execution-parameters")
    assert answer[:2] == (200, JSON)
    stated = json.loads(answer.body)
    assert stated == dict(zip(("MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"), expected, strict=True))
    # The service refuses more.
    assert stated["MaxConcurrentTransforms"] * stated["MaxPayloadInMB"] <= 100


def test_a_line_is_answered_by_a_line_in_order(server: ServerProcess) -> None:
    """More than one block of them, in all shapes: SINGLE_RECORD sends each alone, MULTI_RECORD many."""
    rng = random.Random(0)
    points = [(rng.choice((0, 1, -10)), rng.randrange(100), rng.randrange(100)) for _ in range(150_000)]
    lines = [SHAPES[number % len(SHAPES)].format(*point) for number, point in enumerate(points)]
    body = "\n".join(lines).encode()
    assert len(body) > 5 << 20
    answer = server.invoke(body, JSON_LINES, JSON_LINES)
    assert answer.status == 200
    answered = answer.body.decode().splitlines(keepends=True)
    assert len(answered) == len(lines)
    assert all(line.endswith("\n") for line in answered)
    # The same rows as CSV, whose long texts another parser reads.
    rows = "".join(f"{x},{y},{z}\n" for x, y, z in points).encode()
    assert server.invoke(rows, CSV, JSON_LINES).body == answer.body
    for number in range(0, len(lines), 10_007):
        single = server.invoke(lines[number].encode(), JSON_LINES, JSON_LINES)
        assert single.body.decode() == answered[number]


@pytest.mark.parametrize("content_type", [JSON_LINES, CSV])
@pytest.mark.parametrize("bad", [0, 100_000, 239_999])
def test_one_bad_line_fails_the_request_and_is_named(server: ServerProcess, content_type: str, bad: int) -> None:
    good, wrong, noun = {
        JSON_LINES: ('{"features": [1.25, 2.5, 3.75]}', '{"features": [1, 2, "x"]}', "line"),
        CSV: ("1.25,2.5,3.75", "1,2,x", "record"),
    }[content_type]
    lines = [good] * 240_000
    lines[bad] = wrong
    answer = server.invoke("\n".join(lines).encode(), content_type, JSON_LINES)
    assert answer.status == 400
    shown = "'x'" if content_type == CSV else '"x"'
    sentence = f"unable to evaluate payload provided: {noun} {bad + 1}, column 2: expected a number, got {shown}"
    assert answer.body.decode().startswith(sentence)


@pytest.mark.parametrize("content_type", [JSON_LINES, CSV])
def test_an_empty_line_in_a_long_request_is_not_skipped(server: ServerProcess, content_type: str) -> None:
    """Also where a block of the request ends with it."""
    zeros = b"0" * 100
    good = {JSON_LINES: b'{"features": [1.%b, 2, 3]}\n', CSV: b"1.%b,2,3\n"}[content_type] % zeros
    before = (4 << 20) // len(good)
    for shift in 0, 1:
        body = good * (before - shift) + b"\n" + good
        answer = server.invoke(body, content_type)
        assert answer.status == 400
        noun = "line" if content_type == JSON_LINES else "record"
        assert f"{noun} {before - shift + 1}: expected" in answer.body.decode()


def test_a_hundred_megabytes(base: Path) -> None:
    pair = b"1.%b,2,5\n0,0.%b,0\n" % (b"0" * 100, b"0" * 100)
    pairs = (100 << 20) // len(pair)
    with serving(base, SAGEMAKER_MAX_PAYLOAD_IN_MB="100") as server:
        answer = server.invoke(pair * pairs, CSV, CSV)
    assert answer.status == 200
    assert answer.body == b"1.0,3.0\n0.0,0.0\n" * pairs
