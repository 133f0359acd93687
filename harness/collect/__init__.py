"""The only reader of topics and tables: what is there at the end, and how far a running repeat is.

Walk it in this order::

    observer.py     topics made and removed; whether everything has arrived
    collecting.py   places → sightings/, positions.jsonl, transactions.jsonl
    topics.py tables.py files.py    one topic, one table, their files
    check.py        the same once more with a real read_committed consumer
    log.py status.py batches.py     one partition's log: batches, and what became of each
    cluster.py wire.py              questions to brokers, and the connections they travel on

Brokers are asked past every hop, and every connection is used only after its broker has named our cluster.
"""

from harness.collect.collecting import collect
from harness.collect.observer import Observer

__all__ = ["Observer", "collect"]
