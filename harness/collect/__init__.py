"""The only reader of topics, tables and services: what is there at the end, and how far a running repeat is.

Walk it in this order::

    observer.py     topics made and removed; whether everything has arrived
    collecting.py   places → sightings/, positions.jsonl, transactions.jsonl
    topics.py tables.py services.py files.py    one topic, table, service or mailbox; their files
    roles.py        which broker leads what
    check.py        the same once more with a real read_committed consumer
    log.py status.py                one partition's log: its batches, and what became of each
    batches.py records.py           bytes → batches → the columns of their records
    cluster.py wire.py security.py  questions to brokers, and the connections they travel on

Brokers are asked past every hop, and every connection is used only after its broker has named our cluster.
"""

from harness.collect.collecting import collect
from harness.collect.observer import Observer

__all__ = ["Observer", "collect"]
