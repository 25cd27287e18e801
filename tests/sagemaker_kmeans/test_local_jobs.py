"""Where local jobs are kept."""

from pathlib import Path

import pytest

from sagemaker_kmeans.local_jobs import VARIABLE, LocalJobs


@pytest.mark.parametrize(
    ("home", "folder"),
    [("/home/ada", "/home/ada/.sagemaker-kmeans/jobs"), ("/root", "/var/cache/sagemaker-kmeans/jobs")],
)
def test_jobs_are_where_local_mode_may_mount_them(monkeypatch: pytest.MonkeyPatch, home: str, folder: str) -> None:
    monkeypatch.delenv("SAGEMAKER_KMEANS_JOBS", raising=False)
    monkeypatch.setenv("HOME", home)
    assert LocalJobs().root == Path(folder)
    monkeypatch.setenv("SAGEMAKER_KMEANS_JOBS", "/data/jobs")
    assert LocalJobs().root == Path("/data/jobs")


def test_without_a_home_there_are_no_jobs_until_one_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "~no-user-of-this-name/jobs")
    assert LocalJobs().find("job") is None
    with pytest.raises(ValueError, match=f"expected a home directory, or a folder in the environment .* {VARIABLE}"):
        LocalJobs().folder("job")


def test_a_description_that_cannot_be_read_is_no_missing_job(tmp_path: Path) -> None:
    jobs = LocalJobs(tmp_path)
    jobs.save("job", {"TrainingJobName": "job"})
    assert jobs.find("job") == {"TrainingJobName": "job"}
    assert jobs.find("another") is None
    (tmp_path / "job" / "job.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting property name"):
        jobs.find("job")
