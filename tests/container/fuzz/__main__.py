"""Makes the tree of a seed once more, and runs the real `./train` on it: python -m tests.container.fuzz SEED FOLDER."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.container.fuzz.fork_server import GRACE_SECONDS, ROOT, Ended, ForkServer
from tests.container.fuzz.oddities import ODDITIES
from tests.container.fuzz.trees import Tree, earlier_job, feeding, grown
from tests.container.fuzz.verdict import fault


def started(tree: Tree) -> Ended:
    """Run the program as SageMaker does; SIGTERM and SIGKILL come when they come to a fork."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SAGEMAKER_BASE_DIR": str(tree.base),
    }
    began = time.monotonic()
    stopped = hung = False
    log = tree.base / "log"
    with feeding(tree), log.open("wb") as output:
        process = subprocess.Popen([ROOT / "train"], env=environment, stdout=output, stderr=output)
        try:
            process.wait(tree.stop_after)
        except subprocess.TimeoutExpired:
            stopped = True
            process.terminate()
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                hung = True
                process.kill()
                process.wait()
    seconds = time.monotonic() - began
    return Ended(process.returncode, log.read_text(errors="backslashreplace"), seconds, stopped, hung)


def main() -> int:
    """Return 0 if the job ends as it should."""
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir()
    with ForkServer() as server:
        earlier = earlier_job(folder / "earlier", server)
    tree = grown(folder / "tree", earlier, seed, ODDITIES, frozenset())
    ended = started(tree)
    wrong = fault(tree, ended)
    sys.stdout.write(f"{', '.join(tree.oddities)}\n{ended.log}exit code {ended.exit_code}\n")
    sys.stdout.write(f"{wrong or 'as it should be'}; the tree is {tree.base}\n")
    return int(wrong is not None)


if __name__ == "__main__":
    sys.exit(main())
