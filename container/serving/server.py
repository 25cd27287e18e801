"""The server: gunicorn with the application, configured from the environment."""

import importlib
import logging
import os
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.workers.gthread import ThreadWorker

from container.configuration.files import Paths
from container.errors import JobError, PlatformError
from container.logs import logger
from container.resources import memory_limit_bytes
from container.serving import malloc
from container.serving.app import create_app, create_multi_model_app
from container.serving.drain import stop_accepting
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import ServingSettings
from container.stopping import INTERRUPTED

# Number of clients that a worker can serve, or wait for, at once. Threads are started as needed; those that compute
# take turns.
_THREADS = 256
# A client that neither sends nor receives a byte for this long is dropped; in the middle of a block, after twice that.
_IDLE_SECONDS = 60
# An idle worker accepts a connection within this time.
_YIELD_SECONDS = 0.0005
# A client that has started to connect is connected within this time, over any network within a region.
_CONNECT_SECONDS = 0.1
# SageMaker kills a container 30 s after SIGTERM; this leaves time to end.
_DRAIN_SECONDS = 25
# Longer than the idle time of clients' connection pools (that of the platform is not documented; 60 s is common), since
# the server must not be the side that closes first.
_KEEP_ALIVE_SECONDS = 65
# A worker whose event loop does not respond for this long is replaced; requests, however long, do not block the loop.
_WORKER_SILENCE_SECONDS = 60


class _Worker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threaded worker; idle workers accept first, and a worker that ends drains the queue of connections."""

    def accept(self, listener: Any) -> None:
        if self.alive and self.nr_conns > len(self.keepalived_conns):
            # A connection stays with its worker: at random, one worker would now and then have them all.
            time.sleep(_YIELD_SECONDS)
        super().accept(listener)

    def handle_quit(self, _number: int, _frame: FrameType | None) -> NoReturn:
        # Ctrl-C arrives twice, from the terminal and from the master, and Python would wait for the threads of clients
        # that stopped sending or reading.
        self.log.info("Worker exiting (pid: %s)", self.pid)
        os._exit(0)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        # The kernel accepts connections into the queue for as long as the port is open.
        for listener in self.sockets:
            before = -1
            while self.nr_conns != before:
                before = self.nr_conns
                self.accept(listener)
            listener.close()
        self.sockets: list[Any] = []


class _Arbiter(Arbiter):  # type: ignore[misc]
    """Gunicorn's master process; when it ends, it closes the queue before it tells the workers to drain it."""

    def stop(self, graceful: bool = True) -> None:
        stop_accepting(listener.sock for listener in self.LISTENERS)
        # The workers still accept connections.
        time.sleep(_CONNECT_SECONDS)
        super().stop(graceful)

    def handle_int(self) -> None:
        self.stop(False)
        raise HaltServer("Ctrl-C", INTERRUPTED)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn comes without types
    """Gunicorn with our settings, without its configuration files and environment variables."""

    def __init__(self, settings: ServingSettings, shared: Path) -> None:
        self._settings = settings
        self._shared = shared
        super().__init__()

    def load_config(self) -> None:
        given = {
            "bind": f"0.0.0.0:{self._settings.port}",
            "workers": self._settings.workers,
            "worker_class": _Worker,
            "threads": _THREADS,
            "timeout": _WORKER_SILENCE_SECONDS,
            "graceful_timeout": _DRAIN_SECONDS,
            "keepalive": _KEEP_ALIVE_SECONDS,
            # The model is loaded once, before the port is opened, and its memory is shared by all workers.
            "preload_app": True,
            "when_ready": _limit_waiting,
            "post_worker_init": _import_text_packages,
            "control_socket_disable": True,
            # There is no proxy whose headers could state the path or the protocol of a request.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            # Its lines go to our log.
            "errorlog": None,
        }
        for name, value in given.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        _Arbiter(self).run()

    def load(self) -> Flask:
        paths = Paths.from_environment()
        if not self._settings.multi_model:
            return create_app(ServedModel(paths.model), self._settings)
        models = self._shared / "models"
        # Half of the memory is for requests.
        memory_bytes = memory_limit_bytes() // 2 // self._settings.workers
        with _writable():
            models.mkdir()
            registry = Registry(models, paths.models, memory_bytes)
        return create_multi_model_app(registry, self._settings)


def _limit_waiting(arbiter: Any) -> None:
    """Limit how long a socket waits for a client, since gunicorn has no limit; connections inherit it."""
    for listener in arbiter.LISTENERS:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _IDLE_SECONDS, 0))


def _import_text_packages(_worker: object) -> None:
    """Import packages for long text: not while a client waits, and not before the fork, since they start threads."""
    importlib.import_module("pyarrow.csv")
    importlib.import_module("pyarrow.compute")


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, in this very process, so that signals reach it.

    Until the model is loaded, the signal handlers of the caller are in effect. BLAS must have been limited to one
    thread before this module is imported.
    """
    malloc.configure()
    logger.set_up()
    logging.getLogger("gunicorn.error").handlers = list(logger.LOGGER.handlers)
    try:
        settings = ServingSettings.from_environment(os.environ)
        with _shared_folder() as shared:
            if settings.metrics:
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
            _Server(settings, shared).run()
    except JobError as error:
        logger.LOGGER.error("%s", error)
        sys.exit(error.exit_code)


@contextmanager
def _writable() -> Iterator[None]:
    """Turn an error of writing temporary files into one that says what is missing."""
    try:
        yield
    except OSError as error:
        raise PlatformError("serve needs a folder to write to, /tmp or what TMPDIR names, with room in it") from error


@contextmanager
def _shared_folder() -> Iterator[Path]:
    """Create a folder for the files that the workers share, and remove it at the end."""
    with _writable():
        folder = Path(tempfile.mkdtemp(prefix="kmeans-serve-"))
    owner = os.getpid()
    try:
        yield folder
    finally:
        # A worker that ends gets here too.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
