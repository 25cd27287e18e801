"""Many clients that send requests at once, and a count of what happens to each request."""

import threading
from http.client import HTTPException

import numpy as np

from tools.server_process import ServerProcess

# The model that the server must hold.
CENTERS = np.array([[0, 0, 0], [1, 2, 2], [-10, 0, 0]], dtype=np.float32)

_CSV = "text/csv"
_REQUEST, _ANSWER = b"1,2,5\n" * 50, b"1.0,3.0\n" * 50


class Load:
    """Threads that send one request after another, each over a connection that it keeps, unless `keep` is False."""

    def __init__(self, server: ServerProcess, threads: int, keep: bool = True) -> None:
        self._server = server
        self._headers = {"Content-Type": _CSV, "Accept": _CSV} | ({} if keep else {"Connection": "close"})
        self._ended = threading.Event()
        self.answered = 0
        # Requests that got no answer, or a part of one.
        self.broken = 0
        self.refused = 0
        self.wrong: list[bytes] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = self._server.connection()
        while not self._ended.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                # The server no longer listens.
                with self._lock:
                    self.refused += 1
                return
            try:
                connection.request("POST", "/invocations", _REQUEST, self._headers)
                response = connection.getresponse()
                body = response.read()
            except (HTTPException, OSError):
                connection.close()
                with self._lock:
                    self.broken += 1
                continue
            with self._lock:
                if body == _ANSWER:
                    self.answered += 1
                else:
                    self.wrong.append(body)
        connection.close()
