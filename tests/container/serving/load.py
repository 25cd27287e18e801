"""Many clients that ask at once, and what becomes of their requests."""

import threading
from http.client import HTTPException
from pathlib import Path

from tests.container.serving.server_process import ServerProcess
from tests.container.serving.wire import CSV


class Load:
    """Threads that ask one thing after another, each over one connection for as long as it is kept, if it is."""

    def __init__(self, server: ServerProcess, threads: int, keep: bool = True) -> None:
        self._server = server
        self._headers = {"Content-Type": CSV, "Accept": CSV} | ({} if keep else {"Connection": "close"})
        self._ended = threading.Event()
        self.answered = 0
        # Requests of which a part, or nothing, was answered.
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
                # Nobody listens any more.
                with self._lock:
                    self.refused += 1
                return
            try:
                connection.request("POST", "/invocations", b"1,2,5\n" * 50, self._headers)
                response = connection.getresponse()
                body = response.read()
            except (HTTPException, OSError):
                connection.close()
                with self._lock:
                    self.broken += 1
                continue
            with self._lock:
                if body == b"1.0,3.0\n" * 50:
                    self.answered += 1
                else:
                    self.wrong.append(body)
        connection.close()


def workers(server: ServerProcess) -> set[int]:
    tasks = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return {int(pid) for pid in tasks.read_text().split()}
