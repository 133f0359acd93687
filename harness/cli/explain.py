"""`eos-chaos explain DIR RECORD`"""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.audit import FOLDER
from harness.errors import UsageError


@click.command()
@FOLDER
@click.argument("record", metavar="RECORD")
def explain(folder: Path, record: str) -> int:
    """Tell the life of one record: who sent, read and committed it, and where it was seen.

    DIR is a run folder (every repeat that knows the record is shown) or the folder of one repeat.
    """
    from harness.audit import life, render
    from harness.run_folder import is_history, repeat_folders

    folders = [folder] if is_history(folder) else repeat_folders(folder)
    if not folders:
        raise UsageError(f"{folder}: neither a run folder (cells/) nor a history (places.json)")
    lives = [(one, found) for one in folders if (found := life(one, record))]
    if not lives:
        raise UsageError(f"{folder}: no evidence of a record {record!r}; ids look like producer-000123")
    for one, found in lives:
        if len(folders) > 1:
            click.echo(f"{one.relative_to(folder)}:")
        for line in render(found):
            click.echo(line)
    return 0
