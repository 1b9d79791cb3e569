"""``winnow verify``: sample rows → verdict rows, or one verdict on a text given on the command line.

Run: ``winnow verify --verifier number --response "It is 18." --reference "#### 18"``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import emit, progress_bar

if TYPE_CHECKING:
    from tasks.verify.settings import VerifySettings


def verify(
    samples: Annotated[str | None, typer.Option(help="Sample rows: a file, folder, pattern or s3://.")] = None,
    prompts: Annotated[str | None, typer.Option(help="The prompt rows they answer, in any known format.")] = None,
    out: Annotated[Path | None, typer.Option(help="Verdict rows to write: .jsonl or .parquet.")] = None,
    verifier: Annotated[
        str, typer.Option(help="A registered name or 'package.module:function'; for files, instead of the prompts' own.")
    ] = "",
    response: Annotated[str | None, typer.Option(help="For one verdict: the answer.")] = None,
    reference: Annotated[str | None, typer.Option(help="For one verdict: what it is checked against, if anything.")] = None,
    prompt: Annotated[str, typer.Option(help="For one verdict: the question, for a judge or a reward model.")] = "",
    profile: Annotated[
        Path | None, typer.Option(help="A profile whose `verification` names judge, reward model and limits.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="One of those settings: --set judge.model=embedded. Repeatable.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds a verifier may take for one answer (10).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Verify answers: --samples, --prompts and --out for files; --verifier, --response and --reference for one."""
    from rich.markup import escape

    from flows.parameters import profile_group
    from tasks.runtime.errors import ConfigurationError
    from tasks.verify.settings import VerifySettings

    limit = [] if time_limit is None else [f"time_limit={time_limit}"]
    settings = profile_group(profile, "verification", VerifySettings, [*(change or []), *limit])
    many = (samples, prompts, out)
    if verifier and response is not None and not any(many):
        verdict = _single(verifier, response, _reference(verifier, reference), prompt, settings)
        reason = f": {verdict['reason']}" if verdict["reason"] else ""
        emit(verdict, json, escape(f"{verdict['state']} (score {verdict['score']:g}){reason}"))
    elif None not in many and response is reference is None:
        emit({**_files(*many, verifier, settings), "out": str(out)}, json)  # type: ignore[arg-type]
    else:
        raise ConfigurationError(
            "give --samples, --prompts and --out to verify files, or --verifier, --response and --reference for one verdict"
        )


def _reference(verifier: str, given: str | None) -> str:
    """The reference for one verdict; "" where none is needed. Raises `ConfigurationError`, `UnknownPluginError`."""
    from tasks.runtime.errors import ConfigurationError
    from tasks.verify.verdict import needs_reference, plugin

    plugin(verifier)
    if given is None and needs_reference(verifier):
        raise ConfigurationError(f"the verifier {verifier!r} checks against a reference; give it with --reference")
    return given or ""


def _single(verifier: str, response: str, reference: str, question: str, settings: VerifySettings) -> dict[str, Any]:
    """The verdict row of one answer."""
    from tasks.verify.rows import verify_rows

    messages = [{"role": "user", "content": question}] if question else []
    prompt = {"id": "cli", "messages": messages, "verifier": verifier, "reference": reference}
    sample = {"sample_id": "cli", "prompt_id": "cli", "text": response}
    return next(verify_rows([sample], {"cli": prompt}, settings))


def _files(samples: str, prompts: str, out: Path, verifier: str, settings: VerifySettings) -> dict[str, int]:
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
    if verifier:
        by_id = {name: row | {"verifier": verifier} for name, row in by_id.items()}
    with progress_bar("verifying"):
        rows = write_row_file(out, "verdicts", counted(verify_rows(sound_rows(samples, "samples"), by_id, settings)))
    return {"rows": rows, **{state: states[state] for state in STATES}}
