"""The ledger: what apps write down while it happens, and how it is read back. The format is docs/ledger.md.

Apps import `harness.ledger.writer` alone; they never read what they or others wrote.
"""
