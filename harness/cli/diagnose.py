"""`eos-chaos diagnose`"""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import InterruptedRunError, UsageError


@click.command()
@click.option("--bootstrap", metavar="HOST:PORT,…", required=True, help="Where the cluster answers.")
@click.option(
    "--topic", "topics", metavar="T", multiple=True, required=True, help="Repeatable; the last feeds the table."
)
@click.option("--by", metavar="ID", default="key", show_default=True, help="key, header:NAME or json:PATH.")
@click.option("--table", metavar="SQL", help="A query; its first column is the id of each row.")
@click.option("--dsn", metavar="DSN", envvar="EOS_CHAOS_DSN", help="PostgreSQL, for --table [env: EOS_CHAOS_DSN].")
@click.option("--group", "groups", metavar="G", multiple=True, help="Repeatable; by default every group on the topics.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Client properties (TLS, SASL).")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for what is read.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def diagnose(
    bootstrap: str,
    topics: tuple[str, ...],
    by: str,
    table: str | None,
    dsn: str | None,
    groups: tuple[str, ...],
    config: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Audit what stands in topics and a table now: no run, no ledger, nothing is changed.

    Finds records that stand there twice and why, transactions left open, records that the table lacks or that only it
    has, and where groups are. After Ctrl-C the same command goes on. Exits 1 on any finding, 3 when something that was
    asked cannot be judged.
    """
    from harness.cli.console import progress_console, result_console
    from harness.collect.security import PLAINTEXT, read_properties
    from harness.diagnose import Identity, Question
    from harness.diagnose import diagnose as examine
    from harness.report.diagnosis import diagnosis_exit_code, diagnosis_json, print_diagnosis
    from harness.report.json import as_json as text_of

    if table is not None and dsn is None:
        raise UsageError("--table: where is its database? --dsn is missing, and so is EOS_CHAOS_DSN")
    question = Question(
        bootstrap=_addresses(bootstrap),
        topics=tuple(dict.fromkeys(topics)),
        by=Identity.parse(by),
        table=table,
        dsn=dsn,
        groups=tuple(dict.fromkeys(groups)),
        security=read_properties(config) if config else PLAINTEXT,
    )
    folder = out or Path("runs") / f"diagnose-{question.fingerprint}"
    progress = progress_console()
    try:
        found = examine(question, folder, lambda line: progress.print(line, highlight=False, soft_wrap=True))
    except KeyboardInterrupt as error:
        raise InterruptedRunError(f"interrupted: the same command goes on with what is kept in {folder}") from error
    if as_json:
        click.echo(text_of(diagnosis_json(found)), nl=False)
    else:
        print_diagnosis(result_console(), found, folder)
    return diagnosis_exit_code(found)


def _addresses(bootstrap: str) -> str:
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise UsageError(f"--bootstrap {bootstrap}: '{address}' is no HOST:PORT")
    return ",".join(address.strip() for address in bootstrap.split(","))
