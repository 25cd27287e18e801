"""Reports in a real browser."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from container import report
from tests.container.job.job import Job, recordio
from tests.container.report.conftest import Browser
from tests.container.report.facts import blobs, facts_of

# The cells of each: the largest clusters by the features that differ most.
HEAT_MAPS = {"job": 10 * 64, "many clusters": 40 * 64, "two features": 8 * 2}
HOSTILE = "</script><img src=x onerror=hostile=1><script>hostile=1</script>"

# Marks that lie within their plot, by plot: lines, bars and dots that have a size.
DRAWN = """
const sized = box => box.width > 0 || box.height > 0;
return Object.fromEntries([...document.querySelectorAll(".plot")].map(plot => [plot.id,
  [...plot.querySelectorAll(".cartesianlayer :is(.js-line, .points path)")]
    .filter(mark => sized(mark.getBoundingClientRect())).length]));
"""
# Text that sticks out of its plot, and numbers of an axis that are not between the plot and the axis' title.
CUT_OFF = """
const found = [];
for (const plot of document.querySelectorAll(".plot")) {
  const frame = plot.getBoundingClientRect();
  for (const text of plot.querySelectorAll("text")) {
    const box = text.getBoundingClientRect();
    if (Math.min(box.left - frame.left, frame.right - box.right, box.top - frame.top, frame.bottom - box.bottom) < -1)
      found.push(plot.id + " cut off: " + text.textContent);
  }
  const box = selector => plot.querySelector(selector).getBoundingClientRect();
  const below = box(plot.querySelector(".xtitle") ? ".xtitle" : ".annotation-text").top, beside = box(".ytitle").right;
  for (const tick of plot.querySelectorAll(".xtick text"))
    if (tick.getBoundingClientRect().bottom > below + 2) found.push(plot.id + " title upon x: " + tick.textContent);
  for (const tick of plot.querySelectorAll(".ytick text"))
    if (tick.getBoundingClientRect().left < beside - 2) found.push(plot.id + " title upon y: " + tick.textContent);
}
return found;
"""
# Cells of the heat map that are seen, and in which a mouse finds what they stand for; and its numbers that do not fit.
CELLS = """
return [...document.querySelectorAll("#profiles tbody td")].filter(cell => cell.clientWidth >= 12
  && cell.clientHeight >= 12 && /^cluster \\d+, feature \\d+: /.test(cell.title)
  && !["transparent", ""].includes(getComputedStyle(cell).backgroundColor)).length;
"""
WIDE_CELLS = """
return [...document.querySelectorAll("#profiles :is(th, td)")]
  .filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent);
"""
SMALLEST_TEXT = """
return Math.min(...[...document.querySelectorAll("text, p, td, th, dd, dt, small, li, summary")]
  .map(text => parseFloat(getComputedStyle(text).fontSize)));
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make the report of a real job, to which hostile text was sent, and one of many clusters."""
    folder = tmp_path_factory.mktemp("reports")
    hyperparameters = {"k": "10", "feature_dim": "64", "mini_batch_size": "100", "_kvstore": HOSTILE + "x" * 999}
    job = Job(folder / "job", hyperparameters, {"train": {}, "test": {}})
    for channel in ("train", "test"):
        rows = np.ascontiguousarray(load_digits().data, np.float32)
        (job.folder(channel) / "rows.pbr").write_bytes(recordio(rows))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    report.write(folder / "many.html", facts_of(blobs(60, 100, 1500), 60, 250))
    report.write(folder / "two features.html", facts_of(blobs(8, 2, 500), 8, 50, warnings=[HOSTILE]))
    return {
        "job": folder / "job/output/data/report.html",
        "many clusters": folder / "many.html",
        "two features": folder / "two features.html",
    }


def marks(trace: dict[str, Any]) -> int:
    """Count the marks that a trace should make: a dot or a bar for each value, one line."""
    parts = trace["mode"].split("+") if trace["type"] == "scatter" else ["markers"]
    return ("lines" in parts) + len(trace["x"]) * ("markers" in parts)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["job", "many clusters", "two features"])
def test_it_is_drawn_whole_without_an_error_or_a_request(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.open(pages[name], width, touch=width < 600)
    assert browser.console() == []
    addresses = browser.requested()
    assert addresses.count(pages[name].as_uri()) == 1
    assert [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))] == []

    figures = browser.run("return JSON.parse(document.getElementById('figures').textContent)")
    assert set(figures) == {"losses", "elbow", "sizes", "spreads", "plane"}
    assert browser.run(DRAWN) == {name: sum(map(marks, figure["data"])) for name, figure in figures.items()}

    assert browser.run(CELLS) == HEAT_MAPS[name]
    assert browser.run(WIDE_CELLS) == []

    browser.run("for (const more of document.querySelectorAll('details')) more.open = true")
    assert browser.run("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert browser.run(CUT_OFF) == []
    assert browser.run(SMALLEST_TEXT) >= 11
    assert browser.run("return typeof hostile + document.querySelectorAll('body img, body iframe').length") == (
        "undefined0"
    )
