"""Exit code, log line and failure file of each kind of error."""

from pathlib import Path

import pytest

from container.errors import AlgorithmError, CustomerError, PlatformError
from container.job.failure import MAX_CHARACTERS, reported
from container.logs import logger
from tests.container.disk import READ_ONLY, files_in, room_for


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


@pytest.mark.parametrize(
    ("error", "exit_code", "text"),
    [
        (CustomerError("fix k"), 2, "Customer Error: fix k"),
        (PlatformError("host algo-2 is lost"), 3, "Platform Error: host algo-2 is lost"),
        (AlgorithmError("no way"), 1, "Algorithm Error: no way"),
        (OSError(28, "No space left on device"), 3, "Platform Error: OSError: [Errno 28] No space left on device"),
        (MemoryError(), 3, "Platform Error: MemoryError"),
        (
            ZeroDivisionError("division by zero"),
            1,
            "Algorithm Error: ZeroDivisionError: division by zero. This is a bug; the log has the traceback.",
        ),
    ],
)
def test_each_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, exit_code: int, text: str
) -> None:
    logger.set_up()
    with reported(tmp_path / "output" / "failure") as outcome:
        fail(error)
    assert outcome.exit_code == exit_code
    assert (tmp_path / "output" / "failure").read_text() == text
    log = capsys.readouterr().out
    assert f"] {text}" in log
    assert ("Traceback" in log) == isinstance(error, ZeroDivisionError)


def test_a_cause_follows_in_the_built_ins_form(tmp_path: Path) -> None:
    with reported(tmp_path / "failure"):
        fail(CustomerError("k is no number"), ValueError("invalid literal"))
    text = (tmp_path / "failure").read_text()
    assert text == "Customer Error: k is no number (caused by ValueError)\n\nCaused by: invalid literal"


def test_the_reason_of_an_earlier_job_is_removed_when_a_job_begins(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        with reported(tmp_path / "failure"):
            assert not (tmp_path / "failure").exists()
            fail(CustomerError(reason))
        assert (tmp_path / "failure").read_text() == f"Customer Error: {reason}"
    with reported(tmp_path / "failure"):
        pass
    assert not (tmp_path / "failure").exists()


def test_the_first_reason_of_a_job_is_kept(tmp_path: Path) -> None:
    with reported(tmp_path / "failure"):
        (tmp_path / "failure").write_text("first")
        fail(CustomerError("second"))
    assert (tmp_path / "failure").read_text() == "first"


def test_a_reason_that_cannot_be_removed_or_written_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.set_up()
    (tmp_path / "failure").mkdir()
    with reported(tmp_path / "failure") as outcome:
        fail(CustomerError("fix k"))
    assert outcome.exit_code == 2
    with reported(READ_ONLY / "output" / "failure") as outcome:
        fail(CustomerError("fix k"))
    assert outcome.exit_code == 2
    log = capsys.readouterr().out
    assert f"could not remove {tmp_path / 'failure'} of an earlier job: [Errno" in log
    assert f"could not write {tmp_path / 'failure'}: [Errno" in log
    assert f"could not write {READ_ONLY / 'output' / 'failure'}: [Errno" in log


def test_a_full_disk_leaves_no_empty_reason(tmp_path: Path) -> None:
    with room_for(5), reported(tmp_path / "failure") as outcome:
        fail(CustomerError("fix k"))
    assert outcome.exit_code == 2
    assert files_in(tmp_path) == []


def test_a_name_that_is_no_text_is_written_with_backslashes(tmp_path: Path) -> None:
    with reported(tmp_path / "failure"):
        fail(CustomerError("x" * 900 + "\udcff" * 200))
    text = (tmp_path / "failure").read_text()
    assert "x\\udcff\\udcff" in text
    assert len(text) == MAX_CHARACTERS


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    with reported(tmp_path / "failure"):
        fail(CustomerError("x" * 5000))
    assert len((tmp_path / "failure").read_text()) == MAX_CHARACTERS


def test_success_leaves_no_file(tmp_path: Path) -> None:
    with reported(tmp_path / "failure") as outcome:
        pass
    assert outcome.exit_code == 0
    assert not (tmp_path / "failure").exists()
