"""Exit code, log line and failure file of each kind of error."""

from pathlib import Path

import pytest

from container import logs
from container.errors import AlgorithmError, CustomerError, PlatformError
from container.failure import MAX_CHARACTERS, reported


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


@pytest.mark.parametrize(
    ("error", "exit_code", "text"),
    [
        (CustomerError("mend k"), 2, "Customer Error: mend k"),
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
    logs.set_up()
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


def test_the_first_reason_is_kept(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        with reported(tmp_path / "failure"):
            fail(CustomerError(reason))
    assert (tmp_path / "failure").read_text() == "Customer Error: first"


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    with reported(tmp_path / "failure"):
        fail(CustomerError("x" * 5000))
    assert len((tmp_path / "failure").read_text()) == MAX_CHARACTERS


def test_success_leaves_no_file(tmp_path: Path) -> None:
    with reported(tmp_path / "failure") as outcome:
        pass
    assert outcome.exit_code == 0
    assert not (tmp_path / "failure").exists()
