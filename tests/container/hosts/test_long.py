"""What takes long to try on several hosts: `make test-chaos` does."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts import archive, checksummed
from container.artifacts.checkpoint import MAGIC
from container.artifacts.snapshot_layout import layout
from kmeans.stream.snapshot import StreamSnapshot
from tests.container.hosts.cluster import cluster_of
from tests.container.hosts.namespaces import address, network_of

pytestmark = pytest.mark.skipif("CHAOS" not in os.environ, reason="takes minutes: make test-chaos")

Rows = NDArray[np.float32]
MINIMAL = {"k": "10", "feature_dim": "64", "mini_batch_size": "100"}


def test_hosts_of_different_cpus_hold_the_same_centers(tmp_path: Path, digits: Rows) -> None:
    changes = {"epochs": "20", "checkpoint_interval_seconds": "0"}
    with cluster_of(tmp_path, 2, {**MINIMAL, **changes}, checkpoints=True) as cluster:
        cluster.put(digits[:900], digits[900:])
        first, second = cluster.hosts
        cluster.start(first)
        cluster.start(second, NUMBA_CPU_NAME="x86-64-v2")
        assert cluster.wait() == [0, 0], cluster.logs
        found = []
        for host in cluster.hosts:
            path = max((host.base / "checkpoints").iterdir())
            content = io.BytesIO(path.read_bytes()[checksummed.header_bytes(MAGIC) :])
            found.append(archive.load(content, len(content.getvalue()), layout(StreamSnapshot)))
        for name, array in found[0].items():
            assert array.tobytes() == found[1][name].tobytes(), name


# A server that answers for the hosts of the job, after one that is silent; a name has an IPv4 address only.
NAME_SERVER = """
import socket, sys
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.9", 53))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
known = dict(word.split("=") for word in sys.argv[1:])
while True:
    question, client = server.recvfrom(512)
    length = question[12]
    found = known.get(question[13 : 13 + length].decode())
    kind = question[14 + length : 16 + length]
    answered = found is not None and kind == b"\\0\\1"
    head = question[:2] + (b"\\x81\\x80" if found else b"\\x81\\x83") + b"\\0\\1" + bytes([0, answered]) + bytes(4)
    record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4" + socket.inet_aton(found) if answered else b""
    server.sendto(head + question[12 : 18 + length] + record, client)
"""


def test_hosts_meet_where_looking_up_a_name_takes_seven_seconds(tmp_path: Path, digits: Rows) -> None:
    names = {f"algo-{place + 1}": address(place) for place in range(2)}
    with network_of(tmp_path, 2, MINIMAL, {"nobody": ["10.77.0.99"]}) as (cluster, spaces):
        cluster.put(digits[:900], digits[900:])
        servers = []
        for space in spaces.values():
            resolver = "nameserver 127.0.0.9\nnameserver 127.0.0.53\noptions timeout:7 attempts:1\n"
            space.replace("/etc/resolv.conf", resolver, tmp_path)
            known = [f"{name}={found}" for name, found in names.items()]
            servers.append(space.start(sys.executable, "-c", NAME_SERVER, *known))
        cluster.start()
        assert cluster.wait() == [0, 0], cluster.logs
        for server in servers:
            assert server.poll() is None
            server.kill()
            server.wait()
