"""Any tree into `train`: a finite model that is true comes out, or a sentence that says why there is none.

Seconds in the suite; minutes in `make fuzz`. `python -m tests.container.fuzz SEED` makes one tree again.
"""

from pathlib import Path
from random import Random

from tests.container.fuzz import tallies
from tests.container.fuzz.fork_server import ForkServer
from tests.container.fuzz.oddities import ODDITIES
from tests.container.fuzz.trees import configured, grown, laid_down, removed, run
from tests.container.fuzz.verdict import fault


def trained(base: Path, earlier: Path, server: ForkServer, seed: int, without: frozenset[int]) -> tuple[str, list[str]]:
    """Make a tree and train on it; return what went wrong, and its oddities."""
    try:
        tree = grown(base, earlier, seed, ODDITIES, without)
        wrong = fault(tree, run(tree, server)) or ""
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    removed(base)
    return wrong, tree.oddities


def smallest(base: Path, earlier: Path, server: ForkServer, seed: int, wrong: str) -> str:
    """Leave out oddities without which it goes wrong all the same, and say what is left."""
    without: frozenset[int] = frozenset()
    tree = grown(base, earlier, seed, ODDITIES, without)
    removed(base)
    # To wait for one that hangs takes a minute each time.
    for place in range(3 if len(tree.oddities) > 1 and not wrong.startswith("hang") else 0):
        fewer = without | {place}
        again, oddities = trained(base, earlier, server, seed, fewer)
        if oddities and tallies.kind(again) == tallies.kind(wrong):
            without, tree.oddities = fewer, oddities
    return f"seed {seed}, {', '.join(tree.oddities)}: {wrong}"


def test_any_tree_gives_a_finite_model_or_a_sentence(tmp_path: Path, earlier: Path, server: ForkServer) -> None:
    found: dict[str, str] = {}
    n_trees = 0
    for seed in tallies.seeds(few=len(ODDITIES), share=0.45):
        base = tmp_path / "tree"
        n_trees += 1
        wrong, _ = trained(base, earlier, server, seed, frozenset())
        kind = tallies.kind(wrong)
        if wrong and kind not in found:
            found[kind] = smallest(base, earlier, server, seed, wrong)
    assert not found, f"{len(found)} kinds of faults in {n_trees} trees:\n" + "\n".join(found.values())


def test_oddities_go_together_in_any_order(tmp_path: Path, earlier: Path) -> None:
    for seed in range(3):
        rng = Random(seed)
        order = rng.sample(ODDITIES, len(ODDITIES))
        # Each comes before and after each other one, and after itself.
        for oddities in (order * 2, order[::-1]):
            tree = laid_down(tmp_path / "tree", earlier, "csv")
            for oddity in oddities:
                oddity(tree, rng)
            configured(tree)
            removed(tree.base)
