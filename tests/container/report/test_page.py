"""The page, without a browser: what is in it, and what hostile texts may do."""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects
import pytest

from container import report
from container.report import Facts, heat_map, page
from container.report.formatting import MINUS, number
from container.report.profile import HeatMap
from kmeans.distribution import DistanceDistribution
from kmeans.finalization.curve import Curve, Figures
from kmeans.finalization.suggestion import Suggestion
from kmeans.types import FloatArray
from tests.container.report.facts import blobs, facts_of

HOSTILE = (
    "</script><img src=x onerror=\"alert('hostile')\"><script>alert(1)</script>{{ 7 * 7 }}<!-- & \udcff \u2028 \x00"
)


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text and scripts."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._within = ""
        self.feed(content.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self._within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    @property
    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def one_feature() -> FloatArray:
    return np.random.default_rng(0).gamma(2.0, size=(300, 1)).astype(np.float32)


def few_rows() -> FloatArray:
    return np.array([[0, 0, 1], [0, 0, 1], [5, 5, 1], [5, 6, 1], [9, 0, 1]], np.float32)


def on_a_line() -> FloatArray:
    return np.outer(np.arange(30), [1e30, -2e30, 0.0]).astype(np.float32)


JOBS: dict[str, Callable[[], Facts]] = {
    "ordinary": lambda: facts_of(blobs(10, 20, 3000), 10, 100),
    "one feature": lambda: facts_of(one_feature(), 4, 50),
    "two features": lambda: facts_of(blobs(5, 2, 500), 5),
    "few rows": lambda: facts_of(few_rows(), 2),
    "huge values on a line": lambda: facts_of(on_a_line(), 3, 10),
    "many clusters": lambda: facts_of(blobs(60, 100, 1500), 60, 250),
}


@pytest.fixture(scope="module")
def ordinary() -> Facts:
    return JOBS["ordinary"]()


@pytest.mark.parametrize("name", JOBS)
def test_plotly_knows_every_setting_of_every_figure(name: str) -> None:
    """Its own classes refuse what plotly.js would ignore silently."""
    shown = Page(page.render(JOBS[name]()))
    assert {"sizes", "spreads", "plane"} <= set(shown.figures)
    for figure in shown.figures.values():
        assert plotly.graph_objects.Figure(figure).data
    boxes = [value for attribute, value in shown.attributes if attribute == "id"]
    assert sorted(boxes) == sorted([*shown.figures, "profiles", "figures"])


def test_what_is_shown_is_what_was_found(ordinary: Facts) -> None:
    shown = Page(page.render(ordinary))
    score = ordinary.model.score
    bars = shown.figures["sizes"]["data"][0]
    assert bars["x"] == list(range(10))
    np.testing.assert_allclose(bars["y"], score.cluster_sizes / 3000, rtol=1e-4)
    spreads = np.array(shown.figures["spreads"]["data"][0]["y"])
    assert (spreads**2 * score.cluster_sizes).sum() == pytest.approx(score.msd * 3000, rel=1e-3)
    elbow = shown.figures["elbow"]["data"]
    assert dict(zip(elbow[0]["x"], elbow[0]["y"], strict=True)) == pytest.approx(ordinary.model.msd_by_k, rel=1e-4)
    assert elbow[1]["x"] == [10]
    assert shown.figures["losses"]["data"][0]["x"][-1] == 30
    assert len(shown.figures["plane"]["data"][0]["x"]) == 2000
    assert "A sample of 2,000 rows" in shown.text
    assert "The job succeeded without warnings." in shown.text


def test_the_suggestion_and_the_indices_are_shown(ordinary: Facts) -> None:
    figures = Figures(10, 2.0, 0.25, 0.875, np.inf, 1234.0)
    other = Figures(11, 1.5, 0.1, 0.5, 0.25, 1300.0)
    curve = Curve((figures, other), 9.0, Suggestion(11, 10, 12))
    content = page.render(replace(ordinary, model=replace(ordinary.model, curve=curve)))
    shown = Page(content)
    assert "k between 10 and 12; 11 by the index of Calinski and Harabasz" in shown.text
    row = "".join(f'<td class="number">{value}</td>' for value in (10, 2, "0.25", "0.875", "none", "1,234"))
    assert f"<tr>{row}</tr>" in content.decode()
    low, high = shown.figures["elbow"]["data"][2:]
    assert (low["y"], high["y"]) == ([1.5, 1.3], [2.5, 1.7])
    none = Page(page.render(replace(ordinary, model=replace(ordinary.model, curve=replace(curve, suggestion=None)))))
    assert "no clear number from 10 to 11" in none.text


def test_quantiles_are_listed_by_cluster(ordinary: Facts) -> None:
    distances = ordinary.model.distances
    assert distances is not None
    largest = int(ordinary.model.score.cluster_sizes.argmax())
    row = [number(largest), *(number(float(value)) for value in np.sqrt(distances.squared_quantiles[:, largest]))]
    cells = "".join(f'<td class="number">{value}</td>' for value in row)
    content = page.render(ordinary).decode()
    assert f"<tr>{cells}</tr>" in content
    assert "do not exceed, estimated" not in content
    empty = replace(distances, squared_quantiles=np.full((5, 10), np.nan), exact=False)
    content = page.render(replace(ordinary, model=replace(ordinary.model, distances=empty))).decode()
    assert '<td class="number">none</td>' in content
    assert "do not exceed, estimated from a sample" in content
    without = page.render(replace(ordinary, model=replace(ordinary.model, distances=None))).decode()
    assert "How far most rows are" not in without


def test_texts_from_outside_stay_texts(tmp_path: Path, ordinary: Facts) -> None:
    hostile = replace(
        ordinary,
        hosts=(HOSTILE, "algo-2"),
        hyperparameters={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        warnings=[HOSTILE],
        warnings_left_out=3,
        events={HOSTILE: 2},
    )
    report.write(tmp_path / "new" / report.NAME, hostile)
    content = (tmp_path / "new" / report.NAME).read_bytes()
    shown, harmless = Page(content), Page(page.render(ordinary))
    assert shown.tags["script"] == harmless.tags["script"] == 3
    assert shown.tags["img"] == 0
    assert shown.scripts == harmless.scripts
    assert not [name for name, _ in shown.attributes if name.startswith("on") or name in ("src", "href")]
    # The byte that is no text is written out; all else is there to be read.
    assert shown.text.count(HOSTILE.replace("\udcff", "\\udcff")) == 8
    assert "3 more are in the log." in shown.text


def test_json_in_a_script_cannot_end_it() -> None:
    text = page.script_json({HOSTILE: [HOSTILE, 1.5]})
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        page.script_json(float("nan"))


def test_only_its_own_scripts_may_run_and_nothing_be_fetched(ordinary: Facts) -> None:
    shown = Page(page.render(ordinary))
    assert shown.scripts[1] == page.PLOTLY.read_text()
    (policy,) = [value for name, value in shown.attributes if name == "content" and "default-src" in value]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in shown.scripts[1:]]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}'; "
        "style-src 'unsafe-inline'; img-src data: blob:"
    )


def test_an_ordinary_page_is_small(ordinary: Facts) -> None:
    assert len(page.render(ordinary)) < 1_500_000


def test_plotly_is_the_one_that_was_published() -> None:
    """As the page next to it says."""
    stated = (page.PLOTLY.parent / "README.md").read_text()
    assert f"`{hashlib.sha256(page.PLOTLY.read_bytes()).hexdigest()}`" in stated
    version = re.search(r"plotly\.js \(basic - minified\) v([0-9.]+)", page.PLOTLY.read_text()[:200])
    assert version
    assert f"`plotly.js-basic-dist-min` {version[1]}, " in stated


def test_the_rows_are_shown_only_if_they_may_be(ordinary: Facts) -> None:
    assert "The dots are rows of the training data" in Page(page.render(ordinary)).text
    content = page.render(replace(ordinary, shows_rows=False))
    shown = Page(content)
    rows, centers = shown.figures["plane"]["data"]
    assert (rows["x"], rows["y"], rows["customdata"], len(centers["x"])) == ([], [], [], 10)
    assert "Rows are not shown" in " ".join(shown.text.split())
    assert "The dots are rows" not in shown.text


def test_the_heat_map_shows_how_far_centers_are_from_the_mean() -> None:
    shown = HeatMap(
        np.array([0, 3]),
        np.array([1, 7]),
        np.array([[-2.0, 0.0], [1.0, 9.0]]),
        np.array([[-20.5, 0.25], [10.0, 1234.5]]),
    )
    table = heat_map.table(replace(shown, standardized=shown.standardized.clip(-2, 2)), 5)
    assert (table.features, table.limit, table.level) == (["1", "7"], "2", True)
    (first, left), (second, right) = table.rows
    assert (first, second) == ("0", "3")
    assert [cell.color for cell in (*left, *right)] == ["#2166ac", "#f7f7f7", "#f4a582", "#b2182b"]
    assert [cell.dark for cell in (*left, *right)] == [True, False, False, True]
    assert [cell.text for cell in (*left, *right)] == [f"{MINUS}2.0", "+0.0", "+1.0", "+2.0"]
    assert right[1].title == "cluster 3, feature 7: 1,234.5 (+2.0)"


def test_many_clusters_of_many_features_make_no_huge_page() -> None:
    rng = np.random.default_rng(0)
    facts = facts_of(blobs(20, 1000, 1500), 20)
    centers = rng.normal(size=(3000, 1000)).astype(np.float32)
    score = replace(facts.model.score, cluster_sizes=rng.permutation(np.arange(3000.0)), cluster_ssds=rng.random(3000))
    figures = tuple(Figures(k, msd, 0.0, 0.5, 1.0, np.inf) for k, msd in ((2, 9.0), (3000, 1.0)))
    distances = DistanceDistribution(np.ones(3000), np.ones((5, 3000)), np.ones(401), 0.0, exact=False)
    curve = Curve(figures, 10.0, None)
    model = replace(facts.model, centers=centers, score=score, curve=curve, distances=distances)
    content = page.render(replace(facts, model=model))
    assert len(content) < 1_800_000
    shown = Page(content)
    assert "500 largest clusters are listed, of 3,000" in " ".join(shown.text.split())
    assert "as a table of the 200 largest clusters" in " ".join(shown.text.split())
    assert "the 40 largest of 3,000 clusters, the 64 of 1,000 features" in " ".join(shown.text.split())
