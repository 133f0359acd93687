"""Which block of loopback addresses is ours, and whether its ports are free."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping

import psutil

from harness.errors import EnvironmentFailedError, UsageError
from harness.topology import FIRST_BLOCK, LAST_BLOCK, Address, Topology

_WILDCARDS = ("0.0.0.0", "::")
_IPV4_IN_IPV6 = "::ffff:"  # how Java's listeners are told


def allowed_blocks(env: Mapping[str, str] = os.environ) -> range:
    """All of them, or those of $EOS_CHAOS_BLOCKS, written `16-39` or `20`.

    Raises:
        UsageError: The variable does not say that.
    """
    text = env.get("EOS_CHAOS_BLOCKS", "")
    if not text:
        return range(FIRST_BLOCK, LAST_BLOCK + 1)
    first, _, last = text.partition("-")
    try:
        blocks = range(int(first), int(last or first) + 1)
    except ValueError:
        blocks = range(0)
    if not blocks or blocks[0] < FIRST_BLOCK or blocks[-1] > LAST_BLOCK:
        raise UsageError(
            f"EOS_CHAOS_BLOCKS is {text!r}: it takes one block or a range within {FIRST_BLOCK}-{LAST_BLOCK}, as 16-39"
        )
    return blocks


def claim_block(nodes: int, lanes: int, blocks: Iterable[int]) -> tuple[Topology, socket.socket]:
    """The first block whose lock nobody holds and whose ports are all free.

    Returns:
        The topology, and the listening socket that is the lock: whoever holds it owns the block. The kernel gives it
        to one process only and takes it back when that one dies, so two harnesses never share a block.

    Raises:
        EnvironmentFailedError: None is free; names the first port that was taken, and by whom.
    """
    taken: list[Address] = []
    owned = 0
    for block in blocks:
        topology = Topology(block, nodes, lanes)
        lock = _listen(topology.lock)
        if lock is None:
            owned += 1
            continue
        busy = first_taken(topology.listening())
        if busy is None:
            return topology, lock
        lock.close()
        taken.append(busy)
    if taken:
        raise EnvironmentFailedError(
            f"port taken: {taken[0]} is in use by {who_listens(taken[0])}\n"
            "  stop it, or set EOS_CHAOS_BLOCKS to another range (it takes the second octet of 127.x, as 16-39)"
        )
    raise EnvironmentFailedError(
        f"all {owned} blocks of addresses are owned by running clusters\n  see `eos-chaos clean`"
    )


def first_taken(addresses: Iterable[Address]) -> Address | None:
    """The first address that cannot be listened at."""
    for address in addresses:
        with _tcp() as probe:
            try:
                probe.bind((address.host, address.port))
            except OSError:
                return address
    return None


def who_listens(address: Address) -> str:
    """`java (pid 4711)`, or a remark where another user's process cannot be seen."""
    for connection in psutil.net_connections(kind="tcp"):
        local = connection.laddr
        if connection.status != psutil.CONN_LISTEN or not local or local.port != address.port:
            continue
        host = local.ip.removeprefix(_IPV4_IN_IPV6)
        if host not in {address.host, *_WILDCARDS} or connection.pid is None:
            continue
        with contextlib.suppress(psutil.Error):
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid}), which listens at {host}"
    return "a process that we may not see"


def _listen(address: Address) -> socket.socket | None:
    lock = _tcp()
    try:
        lock.bind((address.host, address.port))
        lock.listen(1)
    except OSError:
        lock.close()
        return None
    return lock


def _tcp() -> socket.socket:
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # What an earlier cluster's closed connections left in TIME_WAIT is no reason to refuse; a listener still is.
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return tcp
