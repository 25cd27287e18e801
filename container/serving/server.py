"""The server: gunicorn around the application, set up from the environment."""

import importlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask
from gunicorn.app.base import BaseApplication

from container import logs
from container.configuration import Paths
from container.errors import CustomerError
from container.resources import cpu_count
from container.serving.app import create_app
from container.serving.model import ServedModel

_DEFAULT_PORT = 8080
# The most that batch transform sends.
_DEFAULT_MAX_PAYLOAD_MB = 100

# Requests of one worker that can be in work at once: room for those that wait for a slow client and for /ping.
_THREADS = 8
# SageMaker kills a container 30 s after SIGTERM; this leaves time to end.
_DRAIN_SECONDS = 25
# Longer than the idle time of clients' connection pools (the platform's is not documented; 60 s is a common one), for
# the side that closes first must not be the server.
_KEEP_ALIVE_SECONDS = 65
# A worker whose event loop shows no sign of life for so long is replaced; a long request is no such sign.
_WORKER_SILENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    Parameters
    ----------
    port : int
        Port to listen on.
    max_payload_bytes : int
        Longer requests are refused.
    """

    port: int
    max_payload_bytes: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises
        ------
        CustomerError
            If a variable holds no number or one out of range.
        """
        port = _whole_number(environment, "SAGEMAKER_BIND_TO_PORT", _DEFAULT_PORT, 1, 65535)
        megabytes = _whole_number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", _DEFAULT_MAX_PAYLOAD_MB, 0, 2048)
        # 0 asks for a stream without bounds, which the built-in refuses too.
        return cls(port, (megabytes or _DEFAULT_MAX_PAYLOAD_MB) << 20)


def _whole_number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise CustomerError(f"{name}: expected a whole number from {least} to {most}, got {text[:40]!r}")
    return int(text)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn comes without types
    """Gunicorn with our settings; it reads neither its configuration files nor its own environment variables."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        given = {
            "bind": f"0.0.0.0:{self._settings.port}",
            "workers": cpu_count(),
            "worker_class": "gthread",
            "threads": _THREADS,
            "timeout": _WORKER_SILENCE_SECONDS,
            "graceful_timeout": _DRAIN_SECONDS,
            "keepalive": _KEEP_ALIVE_SECONDS,
            # The model is loaded once, before the port is opened, and its memory is shared by all workers.
            "preload_app": True,
            "post_worker_init": _import_what_long_csv_needs,
            "control_socket_disable": True,
            # Its lines go where the other ones go.
            "errorlog": None,
        }
        for name, value in given.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(ServedModel(Paths.from_environment().model), self._settings.max_payload_bytes)


def _import_what_long_csv_needs(_worker: object) -> None:
    """Import what is not to be imported while a client waits, nor before the fork, since it starts threads."""
    importlib.import_module("pyarrow.csv")


def main() -> None:
    """Serve until SIGTERM, in this very process, so that signals reach it.

    BLAS must have been told to use one thread a worker before this module is imported.
    """
    # The kernel gives a signal to process 1 only if there is a handler; gunicorn sets its own once the model is loaded.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logs.set_up()
    logging.getLogger("gunicorn.error").handlers = list(logs.LOGGER.handlers)
    try:
        settings = Settings.from_environment(os.environ)
    except CustomerError as error:
        logs.LOGGER.error("%s", error)
        sys.exit(error.exit_code)
    _Server(settings).run()
