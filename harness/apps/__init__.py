"""The programs under test: producer, processor and sink, one OS process each.

`python -m harness.apps.producer CONFIG.json` (likewise `processor`, `sink`). Each is the code that an
engineer would really write with its client, so that a duplicate found is not our own bug. Walk it in this
order::

    config.py      CONFIG.json → ProducerConfig | ProcessorConfig | SinkConfig
    runner.py      process life: signals, watchdog, exit codes, the ledger's header and its last note
    clients/       one small interface over kafka-python and confluent-kafka
    records.py     what a record looks like; the deterministic load
    batches.py     consumer → batches, correct over rebalances
    operations.py  a batch as a ledger operation; transactions.py: as one Kafka transaction
    patience.py watchdog.py    what fails again and again, or hangs, is given to a successor
    effects.py     what is done outside Kafka: rows (store.py, tables.py), calls.py, mails.py
    producer.py processor.py sink.py    with what they keep: position.py

Exit codes: 0 finished · 75 start a successor · 64 configuration refused · 74 the ledger cannot be written ·
70 a bug (traceback on stderr).
The apps write the ledger and never read it: what must outlive a crash lives in Kafka, in the database, or in
the app's own state folder.
"""
