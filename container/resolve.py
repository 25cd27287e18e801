"""Make a model of another k from the model of one job, in seconds: no data are read again.

Run `python -m container.resolve --k 7 model.tar.gz out.tar.gz`.
"""

if __name__ == "__main__":
    # First of all, since the imports below take a moment.
    import os

    from container.stopping import end_on_interrupt

    stop = end_on_interrupt()
    # As in `train`: threads of BLAS would compete with ours for the same cores.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"

import argparse
import sys
import tempfile
from pathlib import Path

from container.packages import needed

with needed():
    import numpy as np

    from container.artifacts import model as artifacts
    from container.artifacts import tarball
    from container.artifacts.description import describe
    from container.command_line import check_new_file, local_path
    from container.configuration import hyperparameters
    from container.configuration.algorithm_settings import finalization_settings
    from container.configuration.hyperparameters import Hyperparameters
    from container.errors import CustomerError, JobError
    from container.logs import logger
    from container.logs.logger import LOGGER
    from container.resources import cpu_count
    from container.stopping import Stop
    from container.versions import RELEASE
    from kmeans.assignment.engine import Engine
    from kmeans.assignment.scoring import score
    from kmeans.communicator import SingleHost
    from kmeans.events import Events
    from kmeans.finalization.deadline import Deadline
    from kmeans.finalization.estimation import estimate
    from kmeans.finalization.finalization import finalize
    from kmeans.finalization.optimism import optimism
    from kmeans.finalization.resources import Resources
    from kmeans.kmeans_plus_plus import distinct
    from kmeans.observer import Silent
    from kmeans.threads import Threads
    from kmeans.types import as_points

# What the file of the centers is named after: the leader of a job of one host.
HOST = "algo-1"
# Counts of rows are exact in float64 too.
MAX_ROWS = 1 << 53


def main(arguments: list[str] | None = None, stop: Stop | None = None) -> int:
    """Run the command and return the exit code; the search for a better model ends when `stop` is overdue."""
    parser = argparse.ArgumentParser(prog="python -m container.resolve", description=__doc__)
    parser.add_argument("--version", action="version", version=RELEASE)
    parser.add_argument("--k", type=int, required=True, help="clusters of the new model")
    parser.add_argument("model", type=local_path, help="a model with a state: its folder or model.tar.gz")
    parser.add_argument("out", type=local_path, help="the model.tar.gz to write")
    given = parser.parse_args(arguments)
    logger.set_up()
    try:
        _resolve(given.k, given.model, given.out, Deadline((stop or Stop()).overdue))
    except JobError as error:
        LOGGER.error("%s", error)
        return error.exit_code
    except OSError as error:
        LOGGER.error("%s", error)
        return 3
    except MemoryError:
        LOGGER.error("expected more memory than there is")
        return 3
    return 0


def _resolve(k: int, source: Path, destination: Path, deadline: Deadline) -> None:
    check_new_file(destination)
    try:
        description = artifacts.load(source).description
        state, coordinates = artifacts.load_state(source)
    except artifacts.ModelError as error:
        raise CustomerError(str(error)) from None
    chosen = _hyperparameters(k, description)
    live = state.live().centers
    if k > len(live):
        raise CustomerError(f"Expected k up to {len(live)}, as many centers as the state of {source} has, got {k}")
    n_different = len(distinct(live))
    if k > n_different:
        raise CustomerError(
            f"Expected k up to {n_different}, as many different centers as the state of {source} has, got {k}"
        )
    events = Events()
    seeds = np.random.SeedSequence(chosen.seed)
    how = finalization_settings(chosen, len(state.centers))
    with Threads(cpu_count()) as threads:
        engine = Engine(threads, state.shift)
        resources = Resources(engine, deadline=deadline, events=events)
        centers = finalize(state, k, how, seeds, Silent(), resources)
        if state.sample.complete or not len(state.sample.rows):
            fit = score([state.sample.rows], engine.assigner(centers), SingleHost())
        else:
            fit = estimate(state, _rows(description, len(state.sample.rows)), centers, engine)
            if how.refine:
                fit = fit.raised(optimism(state, centers, engine, deadline.passed))
    final = coordinates.centers(as_points(centers))
    stated = dict(description["hyperparameters"]) if description else {}
    new = describe(
        final,
        hyperparameters={**stated, "k": str(k)},
        seed=chosen.seed,
        cluster_sizes=fit.cluster_sizes.tolist(),
        msd=fit.msd,
        msd_is_exact=state.sample.complete,
        msd_error=fit.msd_error,
        rows_scored=len(state.sample.rows),
        rows=fit.rows,
        events=dict(events.counts),
        resolved_from_k=description["k"] if description else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        tarball.write(
            destination, artifacts.save(Path(folder), HOST, artifacts.SavedModel(final, new), state, coordinates)
        )
    LOGGER.info("wrote %s: k = %d, msd %s on %d rows", destination, k, fit.msd, len(state.sample.rows))


def _rows(description: dict[str, object] | None, n_sampled: int) -> int:
    """Return the number of rows that the model was made of; of the sample, where the description does not say."""
    stated = description.get("rows") if description else None
    return max(n_sampled, stated) if type(stated) is int and stated <= MAX_ROWS else n_sampled


def _hyperparameters(k: int, description: dict[str, object] | None) -> Hyperparameters:
    """Return the hyperparameters of the job, with another k."""
    stated = description.get("hyperparameters") if description else None
    if not isinstance(stated, dict):
        raise CustomerError(f"Expected hyperparameters in {artifacts.DESCRIPTION}, got none")
    return hyperparameters.parse({**{str(name): str(value) for name, value in stated.items()}, "k": str(k)})


if __name__ == "__main__":
    sys.exit(main(stop=stop))
