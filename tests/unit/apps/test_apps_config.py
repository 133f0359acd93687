"""CONFIG.json: what is refused, where, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.apps.config import Mailbox, ProcessorConfig, ProducerConfig, Service, SinkConfig, read_fields
from harness.apps.errors import ConfigRefusedError

READERS: dict[str, Callable[..., Any]] = {
    "producer": ProducerConfig.from_fields,
    "processor": ProcessorConfig.from_fields,
    "sink": SinkConfig.from_fields,
}


BILLING = {"place": "billing", "url": "http://127.16.100.22:28080/billing.k3f9"}
OUTBOX = {"place": "outbox", "smtp": "127.16.100.23:25025", "to": "outbox.k3f9@eos.test"}


def config(app: str, folder: Path) -> dict[str, Any]:
    """As the conductor writes it: every field, null where the app has no use for it."""
    orders, invoices = {"place": "orders", "topic": "orders.k3f9"}, {"place": "invoices", "topic": "invoices.k3f9"}
    full: dict[str, Any] = {
        "app": app,
        "instance": 1,
        "instances": 1,
        "incarnation": 2,
        "process": f"{app}#1/2",
        "client": "confluent-kafka",
        "bootstrap": "127.16.100.1:29200",
        "ledger": str(folder / f"{app}-1-2.jsonl"),
        "state": str(folder),
        "from": None if app == "producer" else orders,
        "to": {"producer": orders, "processor": invoices}.get(app),
        "group": None if app == "producer" else f"{app}.k3f9",
        "transactional_id": None,
        "batch": 20,
        "batch_wait_s": 1,
        "records": 300 if app == "producer" else 0,
        "keys": 20 if app == "producer" else 0,
        "seed": 7,
        "commit": "after_write" if app == "processor" else None,
        "write": "upsert" if app == "sink" else None,
        "dsn": "host=127.16.2.1" if app == "sink" else None,
        "table": {"place": "invoices_seen", "name": "invoices_seen"} if app == "sink" else None,
        "producer": {},
        "consumer": {},
        "calls": None,
        "service": None,
        "mailbox": None,
        "idempotency_key": None,
        "group_metadata": None,
        "resume": None,
    }
    return full


def read(app: str, folder: Path, **changes: Any) -> Any:
    path = folder / "CONFIG.json"
    path.write_bytes(orjson.dumps({**config(app, folder), **changes}))
    return READERS[app](read_fields(path))


@pytest.mark.parametrize("app", READERS)
def test_what_the_conductor_writes_is_read(app: str, tmp_path: Path) -> None:
    read_config = read(app, tmp_path)
    assert (read_config.process, read_config.batch) == (f"{app}#1/2", 20)
    if app == "sink":
        assert (read_config.target.name, read_config.batch_wait_s) == ("invoices_seen", 1.0)


def test_where_a_sink_and_a_processor_write_outside_kafka(tmp_path: Path) -> None:
    called = read("processor", tmp_path, calls=BILLING, idempotency_key=True)
    assert called.calls == Service("billing", BILLING["url"], idempotency_key=True)
    assert called.group_metadata == "at_poll"
    posting = read("sink", tmp_path, table=None, dsn=None, write=None, service=BILLING)
    assert posting.target == Service("billing", BILLING["url"], idempotency_key=False)
    mailing = read("sink", tmp_path, table=None, dsn=None, write=None, mailbox=OUTBOX)
    assert mailing.target == Mailbox("outbox", OUTBOX["smtp"], OUTBOX["to"])


@pytest.mark.parametrize("app", ["producer", "processor"])
def test_a_transactional_id_goes_with_transactions(app: str, tmp_path: Path) -> None:
    named = read(app, tmp_path, commit="in_transaction", transactional_id="producer-1.k3f9")
    assert named.transactional_id == "producer-1.k3f9"
    with pytest.raises(ConfigRefusedError, match="'transactional_id' must be text, not None"):
        read(app, tmp_path, commit="in_transaction")
    plain = None if app == "producer" else "before_write"
    assert read(app, tmp_path, commit=plain, transactional_id="unused").transactional_id is None


@pytest.mark.parametrize(
    ("app", "changes", "reason"),
    [
        ("producer", {"recrods": 3}, "unknown field 'recrods'"),
        ("producer", {"records": "300"}, "'records' must be a whole number, not '300'"),
        ("producer", {"records": True}, "'records' must be a whole number, not True"),
        ("producer", {"records": -1}, "'records' must be at least 0, not -1"),
        ("producer", {"keys": 0}, "'keys' must be at least 1, not 0"),
        ("producer", {"batch": 0}, "'batch' must be at least 1, not 0"),
        ("producer", {"instance": 0}, "'instance' must be at least 1, not 0"),
        ("producer", {"to": None}, "'to' must be a mapping, not None"),
        ("producer", {"to": {"topic": "orders"}}, "'to' must name 'place' and 'topic'"),
        ("producer", {"commit": "after_write"}, "'commit' must be in_transaction, not 'after_write'"),
        ("producer", {"client": "aiokafka"}, "'client' must be kafka-python or confluent-kafka, not 'aiokafka'"),
        ("processor", {"commit": None}, "'commit' must be before_write or after_write or in_transaction, not None"),
        ("processor", {"batch_wait_s": "long"}, "'batch_wait_s' must be a number, not 'long'"),
        ("sink", {"write": "replace"}, "'write' must be insert or upsert or upsert_by_key, not 'replace'"),
        ("sink", {"table": {"name": "t"}}, "'table' must name 'place' and 'name'"),
        ("sink", {"consumer": []}, "'consumer' must be a mapping, not []"),
        ("sink", {"table": None}, "exactly one of 'table', 'service' and 'mailbox' must be there"),
        ("sink", {"service": BILLING}, "exactly one of 'table', 'service' and 'mailbox' must be there"),
        ("sink", {"table": None, "mailbox": BILLING}, "'mailbox' must name 'place', 'smtp' and 'to'"),
        ("processor", {"calls": {"place": "billing"}}, "'calls' must name 'place' and 'url'"),
        ("processor", {"calls": BILLING, "idempotency_key": 1}, "'idempotency_key' must be true or false, not 1"),
        ("processor", {"group_metadata": "later"}, "'group_metadata' must be at_poll or at_commit, not 'later'"),
        ("producer", {"resume": "topic"}, "'resume' must be state or transaction, not 'topic'"),
        (
            "producer",
            {"resume": "transaction"},
            "'resume' can be transaction only where 'commit' is in_transaction",
        ),
    ],
)
def test_refusals_name_the_file_and_the_field(app: str, changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigRefusedError) as refused:
        read(app, tmp_path, **changes)
    assert str(refused.value) == f"{tmp_path / 'CONFIG.json'}: {reason}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "cannot be read: No such file"), ("{", "is not JSON"), ("[]", "must hold one JSON object")],
)
def test_files_that_are_none(text: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "CONFIG.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigRefusedError, match=reason):
        read_fields(path)


@pytest.mark.parametrize(
    ("app", "changes", "reason"),
    [
        ("producer", {"producer": {"acks": "al"}}, "confluent-kafka refuses the configuration"),
        ("producer", {"client": "kafka-python", "producer": {"linger_ms": 5}}, "did you mean 'linger.ms'?"),
        ("producer", {"ledger": "/nowhere/ledger.jsonl"}, "the ledger cannot be begun: No such file"),
    ],
)
def test_a_refusal_is_one_line_and_exit_status_64(
    app: str, changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "CONFIG.json"
    path.write_bytes(orjson.dumps({**config(app, tmp_path), **changes}))
    command = [sys.executable, "-m", f"harness.apps.{app}", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 64
    (line,) = ended.stderr.splitlines()
    assert line.startswith("exit 64: ")
    assert reason in line
