"""Turn away clients that come when the server ends, without dropping those that came before."""

import ctypes
import socket
import struct
from collections.abc import Iterable

# Classic BPF (linux/bpf_common.h): load a byte, jump if it has some bits, return how much of the packet is kept.
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OFFSET = 13
_SYN = 0x02
# Each is a code, how many to jump over if so and if not, and a value.
_DROP_SYN = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
# Of Linux; Python's socket module has no name for it.
_SO_ATTACH_FILTER = 26


def stop_accepting(listeners: Iterable[socket.socket]) -> None:
    """Let the kernel ignore clients that begin to connect from now on.

    A port is closed with clients in its queue that nobody has taken yet, and these are reset in the midst of their
    request. Once no new ones come, the queue can be emptied first. An ignored client tries again after a second and is
    then told that nobody listens. Where the kernel has no such filter, the queue stays open.
    """
    instructions = b"".join(struct.pack("HBBI", *one) for one in _DROP_SYN)
    program = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
    for listener in listeners:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
        except OSError:
            continue
