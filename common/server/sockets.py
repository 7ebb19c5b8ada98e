"""Listening sockets that outlive server processes, and how a process stops accepting without losing a connection."""

import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress

# Open connections of one process, and those that wait to be accepted. Each open one needs a file descriptor and, when
# idle, about 20 KB. A service with more needs a reverse proxy in front.
CONNECTIONS = 4096
# From linux/filter.h and asm-generic/socket.h: drop packets with the flag SYN, keep others. The packet begins with the
# header of TCP, whose 14th byte has the flags.
SO_ATTACH_FILTER = 26
DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the byte at 13
    (0x45, 0, 1, 0x02),  # skip one unless it has the bit 2
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF_FFFF),  # keep
)


def bound_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """One socket for each of `count` server processes. They share the port, and do not listen yet.

    The kernel distributes connections over sockets that share a port (SO_REUSEPORT). One socket for all processes would
    give most connections to the process that wakes first. A socket that does not listen refuses connections, so a
    proxy uses another host until a process accepts. Other systems than Linux distribute nothing: there all processes
    get the same socket. Raises OSError.
    """
    distinct = count if sys.platform == "linux" else 1
    made = [_bound(host, port) for _ in range(distinct)]
    return made * (count // distinct)


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def drop_new_connections(listening: int) -> None:
    """Let the kernel drop what opens a connection on this socket. Handshakes in progress still complete.

    Closing a socket resets the connections that are not accepted yet. After this there soon are none. A client whose
    packet was dropped sends it again a second later; by then the socket is closed, and the client knows that it
    must connect elsewhere.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in DROP_NEW_CONNECTIONS))
    described = struct.pack("@HP", len(DROP_NEW_CONNECTIONS), ctypes.addressof(program))
    with suppress(OSError), socket.socket(fileno=os.dup(listening)) as duplicate:  # a kernel may lack it
        duplicate.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)


def stop_accepting(listening: int) -> None:
    """Exchange the socket behind this file descriptor for one on which nobody connects.

    Granian stops accepting and closes idle connections in one step. This is the first of the two. Connections that
    wait are accepted by another process that has the socket, if there is one. Only Linux lets it be done.
    """
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind("")  # a name that the kernel chooses, outside of the file system
        silent.listen()
        silent.settimeout(0)
        os.dup2(silent.fileno(), listening)
