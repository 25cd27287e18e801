"""Where local jobs are kept."""

from pathlib import Path

import pytest

from sagemaker_kmeans.local_jobs import LocalJobs


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
