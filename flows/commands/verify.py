"""``winnow verify``: sample rows → verdict rows, or one verdict on a text given on the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.terminal import emit, progress_bar


def verify(
    samples: Annotated[str | None, typer.Option(help="Sample rows: a file, folder, pattern or s3://.")] = None,
    prompts: Annotated[str | None, typer.Option(help="The prompt rows they answer, in any known format.")] = None,
    out: Annotated[Path | None, typer.Option(help="Verdict rows to write: .jsonl or .parquet.")] = None,
    verifier: Annotated[str, typer.Option(help="For one verdict: a registered name or 'package.module:function'.")] = "",
    response: Annotated[str | None, typer.Option(help="For one verdict: the answer.")] = None,
    reference: Annotated[str | None, typer.Option(help="For one verdict: what it is checked against.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds a verifier may take for one answer.")] = 10.0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Verify answers: --samples, --prompts and --out for files; --verifier, --response and --reference for one."""
    from rich.markup import escape

    from tasks.runtime.errors import ConfigurationError

    one, many = (verifier or None, response, reference), (samples, prompts, out)
    if None not in one and not any(many):
        verdict = _single(verifier, str(response), str(reference), time_limit)
        reason = f": {verdict['reason']}" if verdict["reason"] else ""
        emit(verdict, json, escape(f"{verdict['state']} (score {verdict['score']:g}){reason}"))
    elif None not in many and one == (None, None, None):
        emit({**_files(*many, time_limit), "out": str(out)}, json)  # type: ignore[arg-type]
    else:
        raise ConfigurationError(
            "give --samples, --prompts and --out to verify files, or --verifier, --response and --reference for one verdict"
        )


def _single(verifier: str, response: str, reference: str, time_limit: float) -> dict[str, Any]:
    """The verdict row of one answer."""
    from tasks.verify.rows import verify_rows

    prompt = {"id": "cli", "verifier": verifier, "reference": reference}
    sample = {"sample_id": "cli", "prompt_id": "cli", "text": response}
    return next(verify_rows([sample], {"cli": prompt}, time_limit))


def _files(samples: str, prompts: str, out: Path, time_limit: float) -> dict[str, int]:
    """Verify samples into a file; returns ``rows`` and one count a state."""
    from tasks.data.load import sound_rows
    from tasks.runtime.row_files import write_row_file
    from tasks.runtime.rows import STATES
    from tasks.verify.rows import prompts_by_id, verify_rows

    states: Counter[str] = Counter()

    def counted(verdicts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for verdict in verdicts:
            states[verdict["state"]] += 1
            yield verdict

    by_id = prompts_by_id(sound_rows(prompts, "prompts"))
    with progress_bar("verifying"):
        rows = write_row_file(out, "verdicts", counted(verify_rows(sound_rows(samples, "samples"), by_id, time_limit)))
    return {"rows": rows, **{state: states[state] for state in STATES}}
