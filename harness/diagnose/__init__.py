"""What stands in a cluster now, audited without a run and without a ledger. Read-only.

Walk it in this order::

    question.py     what is asked, and its fingerprint: the same command goes on where it was interrupted
    diagnosing.py   question → diagnosis
    progress.py     what has been done already, kept in the folder
    identity.py     what makes a record the same as another: key, header, JSON path
    reading.py tables.py    topics and the query of a table → sightings, in the audit's own format
    judging.py      sightings → findings: by the audit, and by one query for what only topic and table together show
    model.py        Diagnosis

Nothing is created or changed in the cluster or the database: no topic, no group, no offset, no transaction.
"""

from harness.diagnose.diagnosing import diagnose
from harness.diagnose.identity import Identity
from harness.diagnose.model import Diagnosis
from harness.diagnose.question import Question

__all__ = ["Diagnosis", "Identity", "Question", "diagnose"]
