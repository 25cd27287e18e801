"""Hosts with a network and names of their own: each in namespaces of the kernel, connected by a bridge."""

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.container.hosts.cluster import Cluster

INTERFACE = "eth0"
HOLD = "mount --make-rprivate / && mount -t sysfs sysfs /sys && ip link set lo up && echo ready && exec sleep 600"


class Namespaces:
    """The namespaces of a host.

    Parameters
    ----------
    stack
        Ends them.
    """

    def __init__(self, stack: ExitStack) -> None:
        holder = stack.enter_context(
            subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", HOLD], stdout=subprocess.PIPE, text=True)
        )
        stack.callback(holder.kill)
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            pytest.skip("needs the right to make network namespaces")
        self.pid = holder.pid
        self.enter = ("nsenter", "--net", "--mount", f"--target={holder.pid}")

    def run(self, *words: str) -> None:
        """Run a command in them."""
        subprocess.run([*self.enter, *words], check=True)

    def output(self, *words: str) -> str:
        """Return what a command in them prints."""
        return subprocess.run([*self.enter, *words], check=True, capture_output=True, text=True).stdout

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command in them."""
        return subprocess.Popen([*self.enter, *words])

    def replace(self, system_file: str, content: str, folder: Path) -> None:
        """Show other content in a file of the system."""
        ours = folder / system_file.replace("/", "-")
        ours.write_text(content)
        self.run("mount", "--bind", str(ours), system_file)


def address(place: int) -> str:
    return f"10.77.0.{place + 1}"


@contextmanager
def network_of(
    folder: Path, n_hosts: int, hyperparameters: Mapping[str, str], names: Mapping[str, list[str]] | None = None
) -> Iterator[tuple[Cluster, dict[str, Namespaces]]]:
    """Yield the hosts algo-1, algo-2 and so on, and their namespaces by name.

    `names` are the addresses of each name, for all hosts; by default each has its own one.
    """
    hosts = [f"algo-{place + 1}" for place in range(n_hosts)]
    known = names or {host: [address(place)] for place, host in enumerate(hosts)}
    text = "".join(f"{each} {host}\n" for host, addresses in known.items() for each in addresses)
    with ExitStack() as stack:
        hub = Namespaces(stack)
        hub.run("ip", "link", "add", "hub", "type", "bridge")
        hub.run("ip", "link", "set", "hub", "up")
        spaces = {}
        cluster = Cluster(folder, n_hosts, hyperparameters, names=hosts, interface=INTERFACE)
        stack.callback(cluster.close)
        for place, host in enumerate(hosts):
            spaces[host] = join(stack, hub, address(place), text, folder)
            cluster.hosts[place].enter = spaces[host].enter
        yield cluster, spaces


def join(stack: ExitStack, hub: Namespaces, ip_address: str, hosts: str, folder: Path) -> Namespaces:
    """Connect a host with the hub."""
    space = Namespaces(stack)
    port = f"port{uuid.uuid4().hex[:8]}"
    space.run("ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", port, "netns", str(hub.pid))
    hub.run("ip", "link", "set", port, "master", "hub", "up")
    space.run("ip", "address", "add", f"{ip_address}/24", "dev", INTERFACE)
    space.run("ip", "link", "set", INTERFACE, "up")
    space.replace("/etc/hosts", f"127.0.0.1 localhost\n{hosts}", folder)
    return space
