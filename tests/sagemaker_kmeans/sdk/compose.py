"""A docker-compose for tests without Docker: it runs what a service's image would run, as a process on its volumes.

compose.py -f FILE up ..., as the SDK's local mode calls it, for one service. `train` and `serve` are those of this
checkout.
"""

import os
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def main(file: str) -> None:
    content = yaml.safe_load(Path(file).read_text())
    (service,) = content["services"].values()
    base = Path(tempfile.mkdtemp(dir=Path(file).parent))
    # Folders before what is mounted within them.
    for volume in sorted(service["volumes"], key=lambda volume: volume.split(":")[1]):
        host, container, *_ = volume.split(":")
        target = base / Path(container).relative_to("/opt/ml")
        Path(host).mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.resolve() == Path(host).resolve():
            continue
        if target.is_dir():
            target.rmdir()
        target.symlink_to(host)
    environment = dict(line.split("=", 1) for line in service["environment"])
    environment["SAGEMAKER_BASE_DIR"] = str(base)
    for port in service.get("ports", []):
        environment["SAGEMAKER_BIND_TO_PORT"] = port.partition(":")[0]
    # An image without a command trains, as its Dockerfile says.
    program = str(ROOT / service.get("command", "train"))
    # Version 3 of the SDK excludes what these need.
    python = os.environ.get("KMEANS_PYTHON", sys.executable)
    os.execve(python, [python, program], os.environ | environment)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("-f") + 1])
