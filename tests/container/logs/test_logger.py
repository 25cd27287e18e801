"""Lines of the log on their way to standard output."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from container.logs import logger
from container.logs.logger import LOGGER, VERBATIM


@contextmanager
def log_pipe() -> Iterator[int]:
    """Yield the end of a pipe that the log is written to; each read returns the bytes of one write, or more."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, redirect_stdout(stream):
        logger.set_up()
        yield reading
    logger.set_up()
    os.close(reading)


def test_lines_that_follow_closely_are_written_together_and_in_order() -> None:
    with log_pipe() as output:
        with logger.Gathered(seconds=60):
            LOGGER.info("first")
            assert os.read(output, 1000).endswith(b"] first\n")
            LOGGER.info("second")
            VERBATIM.info("third")
            LOGGER.warning("fourth")
            os.set_blocking(output, False)
            with pytest.raises(BlockingIOError):
                os.read(output, 1000)
        lines = os.read(output, 1000).decode().splitlines()
        assert [line.rpartition(" ")[2] for line in lines] == ["second", "third", "fourth"]
        LOGGER.info("after it, at once")
        assert os.read(output, 1000)


def test_a_line_waits_no_longer_than_that() -> None:
    with log_pipe() as output, logger.Gathered(seconds=0.05):
        began = time.monotonic()
        for number in range(3):
            LOGGER.info("%d", number)
        # Nobody writes any more.
        text = b""
        while text.count(b"\n") < 3:
            text += os.read(output, 1000)
        assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_text_is_written_with_backslashes_where_the_encoding_has_no_form_for_it(encoding: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding=encoding) as stream, redirect_stdout(stream):
        logger.set_up()
        LOGGER.info("%s", "train/\udcff \ud800 \u2028")
        with logger.Gathered():
            VERBATIM.info("%s", "\udcff")
    logger.set_up()
    text = os.read(reading, 1000).decode(encoding)
    os.close(reading)
    assert "train/\\udcff \\ud800 " in text
    assert text.endswith("\\udcff\n")


def test_a_log_that_nobody_reads_is_reported_once_and_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as stream, redirect_stdout(stream):
        logger.set_up()
        LOGGER.info("one")
        with logger.Gathered():
            LOGGER.info("two")
        logger.flush()
        # What is left is dropped.
        stream.flush()
    logger.set_up()
    assert capsys.readouterr().err == "Lines of the log are lost: [Errno 28] No space left on device\n"


def test_lines_are_written_before_an_error_propagates() -> None:
    with log_pipe() as output:

        def failing() -> None:
            with logger.Gathered(seconds=60):
                LOGGER.info("one")
                LOGGER.info("two")
                raise KeyError

        with pytest.raises(KeyError):
            failing()
        assert os.read(output, 1000).count(b"\n") == 2
