"""Ledger × sightings → findings: what the evidence of one repeat proves, and the life of one record in it."""

from harness.audit.auditing import audit, write_findings
from harness.audit.life import Life, life, render

__all__ = ["Life", "audit", "life", "render", "write_findings"]
