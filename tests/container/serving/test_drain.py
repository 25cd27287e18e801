"""Who connected before is taken, and who comes after is not let in."""

import socket

import pytest

from container.serving.drain import stop_accepting


def test_only_clients_that_came_before_are_let_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=10) as early:
            stop_accepting([listener])
            with socket.socket() as late:
                late.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    late.connect(address)
            # Whatever an early client sends is no concern of the filter.
            early.sendall(b"request")
            taken, _ = listener.accept()
            with taken:
                assert taken.recv(100) == b"request"
            listener.settimeout(0)
            with pytest.raises(BlockingIOError):
                listener.accept()
