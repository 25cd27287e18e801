"""Stop accepting connections when the server ends, without dropping those that are in the queue."""

import ctypes
import socket
import struct
from collections.abc import Iterable

# Classic BPF (linux/bpf_common.h): load a byte, jump if some bits are set, return how many bytes of the packet to keep.
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OFFSET = 13
_SYN = 0x02
# Each instruction is a code, how many instructions to skip if the condition is true and if it is false, and a value.
_DROP_SYN = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
# Linux only; Python's socket module has no name for it.
_SO_ATTACH_FILTER = 26


def stop_accepting(listeners: Iterable[socket.socket]) -> None:
    """Have the kernel ignore new connections.

    Closing a port resets the connections in its queue, in the middle of their requests. Once there are no new ones, the
    server can accept all that are in the queue before it closes the port. An ignored client tries again after a second,
    when its connection is refused. If the kernel does not support the filter, the queue stays open.

    Parameters
    ----------
    listeners : iterable of socket
        The listening sockets.
    """
    instructions = b"".join(struct.pack("HBBI", *one) for one in _DROP_SYN)
    program = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
    for listener in listeners:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
        except OSError:
            continue
