"""eos-chaos: under this fault, does this Kafka pipeline duplicate or lose records, and where does exactly-once stop?

Walk the package in the order data flows (ARCHITECTURE.md tells the story)::

    scenario file → plan → environment up → load ‖ faults → heal → drain → collect → audit → verdict → report
"""

__version__ = "0.1.0"
