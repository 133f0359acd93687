"""The command line: `python -m faults --help`. Each fault is one command, which ends with the evidence of its bite."""
