import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import files, host_parts, hosts
from benchmarks.baselines import LLOYD, Baselines, Method
from benchmarks.cores_clock import Timing, amdahl_speedup, speedup_bound
from benchmarks.exchanges import Exchanges
from benchmarks.measure import page
from benchmarks.methods import Fit, lloyd, score
from benchmarks.quality_targets import MEAN, WORST, judge
from container.formats.recordio.frames import split_frames
from container.formats.recordio.record_pb2 import Record
from tools.documents import ROOT

TENSORS = {files.FLOAT32: "float32_tensor", files.FLOAT64: "float64_tensor", files.INT32: "int32_tensor"}


@pytest.mark.parametrize("form", files.FORMS)
def test_files_hold_the_rows_in_their_order(tmp_path: Path, form: str) -> None:
    rows = np.array([[1_700_000_000 + row, -row] for row in range(9)], np.float64)
    files.write(rows, tmp_path, form)
    found: list[Any] = []
    for path in sorted(tmp_path.iterdir()):
        if form == files.CSV:
            found += np.loadtxt(path, delimiter=",", ndmin=2).tolist()
        else:
            records = map(Record.FromString, split_frames(path.read_bytes()))
            found += [list(getattr(record.features["values"], TENSORS[form]).values) for record in records]
    np.testing.assert_array_equal(found, rows.astype(np.float32) if form == files.FLOAT32 else rows)


def test_pages_show_text_as_text() -> None:
    def measure() -> None:
        """Measure it all.

        A second paragraph.
        """

    assert page("Speed", measure, [{"s": 1}], {"cpu": "any", "cores": 2}) == (
        "# Speed\n\nMeasure it all.\n\nA second paragraph.\n\n| s |\n|---|\n| 1 |\n\ncpu any, cores 2\n"
    )
    # Markdown takes indented lines for code.
    results = list((ROOT / "benchmarks/results").glob("*.md"))
    assert results
    assert [path for path in results if re.search("^ ", path.read_text(), re.MULTILINE)] == []


def test_int32_records_are_of_whole_numbers_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected whole numbers"):
        files.write(np.array([[0.5]]), tmp_path, files.INT32)


def test_what_others_find_is_measured_once_for_the_same_rows(tmp_path: Path) -> None:
    path, rows = tmp_path / "baselines.json", _rows()
    seeds = []

    def fit(rows: NDArray[Any], k: int, seed: int, iterations: int) -> Fit:
        seeds.append(seed)
        return lloyd(rows, k, seed, iterations)

    method = Method("counted", fit, 10)
    first = Baselines(path).figures(method, "rows", rows, 3)
    assert seeds == list(range(len(first["msd"])))
    assert Baselines(path).figures(method, "rows", rows, 3) == first
    assert len(seeds) == len(first["msd"])
    rows[0, 0] += 1
    assert Baselines(path).figures(method, "rows", rows, 3)["crc32"] != first["crc32"]
    assert len(seeds) == 2 * len(first["msd"])


def test_a_fill_value_takes_a_cluster_and_no_digit_of_the_others() -> None:
    rows = _rows().astype(np.float64)
    filled = np.concatenate([rows, [[1e20, 0.5]]])
    without = score(rows, lloyd(rows, 3, 0, 10).centers)
    found = score(filled, lloyd(filled, 4, 0, 10).centers)
    assert found.msd * len(filled) == pytest.approx(without.msd * len(rows), rel=1e-12)
    assert sorted(found.sizes) == [1, *sorted(without.sizes)]


@pytest.mark.parametrize(
    ("msd", "missed"),
    [
        ([9.0, 9.9], set()),
        # Below in the mean, but one model far above.
        ([9.0, 10.2], {WORST}),
        ([10.02, 10.03], {MEAN}),
        # The optimum that Lloyd found: a mean can't be below it.
        ([10.0, 10.02], set()),
        ([10.0, 10.045], {MEAN}),
    ],
)
def test_targets_that_the_figures_miss_are_listed(msd: list[float], missed: set[str]) -> None:
    stated = [{"exact": True, "msd": 0.0, "rows elsewhere": 0.0, "rows": 50.0}] * 2
    ours = {"mean": np.mean(msd), "worst": max(msd), "best": min(msd), "stated": stated}
    entry = {
        "n": 50,
        "float32": True,
        "baselines": {"best": 10.0, "minibatch": {}},
        "orders": {"shuffled": {"ours": ours}},
        "estimated": None,
        "other k": [],
        "seconds": {"ours": 1.0},
    }
    assert {target["target"] for target in judge(entry) if not target["holds"]} == missed


def test_quality_is_measured_of_a_file_with_kept_baselines(tmp_path: Path) -> None:
    folder, output, kept = tmp_path / "data", tmp_path / "output", tmp_path / "baselines.json"
    folder.mkdir()
    rows = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    np.savez(folder / "rows.npz", rows=rows)
    best = Baselines(kept).figures(LLOYD, "rows.npz", rows, 50)["best"]
    command = [sys.executable, "-m", "benchmarks.quality", "--data", folder, "--only", "rows.npz", "--k", "50"]
    command += ["--seeds", "1", "--few", "0", "--baselines", kept, "--output", output]
    before = kept.read_bytes()
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True)
    assert kept.read_bytes() == before
    (entry,) = json.loads((output / "quality.json").read_text())["results"]
    ours = entry["orders"]["shuffled"]["ours"]
    assert ours["stated"][0]["rows"] == len(rows)
    assert (
        f"| rows.npz, shuffled | 50 | 300 x 2 | {best:.6g} | {ours['mean'] / best:.4f} |"
        in (output / "quality.md").read_text()
    )


def test_cores_are_measured_where_packages_of_other_benchmarks_are_missing() -> None:
    program = """
import json, sys
sys.modules.update(dict.fromkeys(("faiss", "flask", "plotly", "pyspark", "sagemaker")))
import benchmarks.__main__
from benchmarks import cores, measure
measure.TURN_SECONDS = 0.0
print(json.dumps([cores.compare(content_type, 2, 3, 20_000, runs=1) for content_type in (cores.RECORDIO, cores.CSV)]))
"""
    command = [sys.executable, "-c", program]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert [row["file"] for row in found] == ["RecordIO", "CSV"]
    assert found[0].keys() == found[1].keys()
    for row in found:
        rates = [row[name] for name in ("1 core", "kernels", "Lloyd", "partial_fit")]
        assert min(rates) > 0.0
    assert 0.0 < found[0]["serial %"] < 100.0
    assert found[1]["serial %"] == ""


def test_what_more_cores_would_make_follows_from_what_one_alone_can_do() -> None:
    timing = Timing(seconds=10.0, between=0.5, other=1.0, alone=0.5)
    assert amdahl_speedup(timing, 1) == speedup_bound(timing, 1, 16) == 1.0
    assert amdahl_speedup(timing, 9) == 5.0
    # Sixteen pieces take nine cores as long as eight.
    assert speedup_bound(timing, 9, 16) == speedup_bound(timing, 8, 16) == 10.0 / (1.0 + 9.0 / 8)
    # What the calling thread does takes 1.5 s.
    assert speedup_bound(timing, 96, 96) == 10.0 / 1.5


def test_more_hosts_are_predicted_from_the_parts_of_a_step() -> None:
    sums = Exchanges({1000: 10e-6, 8000: 24e-6, 1_000_000: 10e-3}, {1000: 12e-6, 8000: 24e-6, 1_000_000: 5e-3})
    network = 1.25e9
    few, many = (sums.seconds(64, n_bytes, network) for n_bytes in (8, 8_000_000))
    # Few bytes are gathered at once; many pass the network twice, and take two hosts 5 ms.
    assert few < 1e-4
    assert many == pytest.approx(2 * 63 / 64 * (8e6 / network + 5e-3), rel=0.1)
    assert sums.seconds(64, 8_000_000, 10 * network) < many
    assert sums.seconds(1, 8_000_000, network) == 0.0
    again = Exchanges({size: 2 * seconds for size, seconds in sums.gathered.items()}, sums.reduced)
    assert Exchanges.least([again, sums]) == sums
    part = host_parts.measure(3, 20)
    assert min(part.reading, part.computing, part.sampling, part.shared, part.alone, part.call) > 0.0
    row = hosts.predicted(part, sums, 1, 10)
    assert row["mini-batches a step"] == 16
    efficiencies = [float(row[f"efficiency {n_hosts}"].rstrip("%")) for n_hosts in hosts.HOSTS]
    assert efficiencies == sorted(efficiencies, reverse=True)


def _rows() -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return (rng.integers(3, size=(60, 1)) * 10 + rng.normal(size=(60, 2))).astype(np.float32)
