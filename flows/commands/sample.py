"""``winnow sample`` and ``winnow evaluate``: draw answers from a model, or score its greedy ones, without a flow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.terminal import emit, progress_bar

Model = Annotated[str, typer.Option(help="'embedded', a folder of a model or adapter, a .gguf file or a hub id.")]
Out = Annotated[Path, typer.Option(help="File to write: .jsonl or .parquet.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]


def sample(
    model: Model,
    prompts: Annotated[str, typer.Option(help="Prompt rows in any known format: file, folder, pattern, s3:// or hf:.")],
    out: Out,
    k: Annotated[int, typer.Option(min=1, max=1024, help="Answers per prompt.")] = 8,
    seed: Annotated[int, typer.Option(help="Fixes every draw.")] = 0,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Nucleus share.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Likeliest tokens kept; 0 keeps all.")] = 0,
    min_p: Annotated[float, typer.Option(help="Share of the likeliest token's probability.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Longest answer.")] = 256,
    stop: Annotated[list[str] | None, typer.Option(help="Text that ends an answer; give more for more.")] = None,
    batch_rows: Annotated[int, typer.Option(help="Answers generated side by side.")] = 256,
    engine: Annotated[str, typer.Option(help="Engine: a registered name or 'package.module:function'.")] = "transformers",
    endpoint: Annotated[
        list[str] | None, typer.Option(help="With --engine endpoint: https://host/v1 of a running server; give more for more.")
    ] = None,
    endpoint_model: Annotated[str, typer.Option(help="Name of the model there.")] = "",
    launch: Annotated[
        str, typer.Option(help="Or the command that serves the model: 'vllm serve {model} --host {host} --port {port}'.")
    ] = "",
    adapter: Annotated[str, typer.Option(help="A model that is an adapter: 'merged' into its base, or 'unmerged'.")] = "merged",
    quantization: Annotated[str, typer.Option(help="Sample from the model in 'nf4' or 'int8'; 'none'.")] = "none",
    json: Json = False,
) -> None:
    """Prompt rows → sample rows."""
    from tasks.runtime.errors import ConfigurationError

    if engine == "transformers" and (endpoint or launch):
        raise ConfigurationError("--endpoint and --launch are for --engine endpoint; add it")
    settings = _settings(
        engine=engine,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        max_tokens=max_tokens,
        stop=stop or [],
        batch_rows=batch_rows,
        adapter=adapter,
        quantization=quantization,
        endpoint={"addresses": endpoint or [], "model": endpoint_model, "launch": launch},
    )
    from tasks.runtime.row_files import write_row_file

    counts: dict[str, int] = {}
    with progress_bar("sampling"):
        counts["rows"] = write_row_file(out, "samples", _drawn(model, _prompts(prompts), settings, k, seed, counts))
    emit({**counts, "out": str(out)}, json)


def evaluate(
    model: Model,
    suite: Annotated[str, typer.Option(help="Prompt rows in any known format: file, folder, pattern, s3:// or hf:.")],
    out: Out,
    max_tokens: Annotated[int, typer.Option(help="Longest answer.")] = 256,
    batch_rows: Annotated[int, typer.Option(help="Items answered side by side.")] = 128,
    time_limit: Annotated[float, typer.Option(help="Seconds a verifier may take for one answer.")] = 10.0,
    json: Json = False,
) -> None:
    """Greedy answers to a suite's items → one score row an item, for `winnow gate`."""
    from flows.options import from_options
    from tasks.evaluate.scores import score_rows
    from tasks.gate.statistics import wilson
    from tasks.runtime.row_files import write_row_file
    from tasks.verify.rows import verify_rows
    from tasks.verify.settings import VerifySettings

    items = _prompts(suite)
    settings = _settings(temperature=0, max_tokens=max_tokens, batch_rows=batch_rows)
    counts: dict[str, int] = {}
    with progress_bar("evaluating"):
        samples = list(_drawn(model, items, settings, 1, 0, counts))
    verdicts = list(
        verify_rows(samples, {item["id"]: item for item in items}, from_options(VerifySettings, time_limit=time_limit))
    )
    scores = list(score_rows(items, samples, verdicts))
    write_row_file(out, "scores", scores)
    right = sum(score["score"] == 1.0 for score in scores)
    low, high = wilson(right, len(scores))
    emit({"items": len(scores), "accuracy": right / len(scores), "low": low, "high": high, "out": str(out)}, json)


def _settings(**values: Any) -> Any:
    from flows.options import from_options
    from tasks.sample.settings import SamplingSettings

    return from_options(SamplingSettings, **values)


def _prompts(address: str) -> list[dict[str, Any]]:
    """The source's prompt rows, all of which must pass their checks."""
    from tasks.data.load import load_kind
    from tasks.runtime.errors import DataError
    from tasks.validate.check import check_rows

    accepted, rejects = check_rows("prompts", load_kind(address, "prompts").rows)
    if rejects:
        raise DataError(f"{address}: {len(rejects)} rows are no usable prompts; `winnow validate {address}` says which and why")
    return list(accepted)


def _drawn(
    model: str, prompts: list[dict[str, Any]], settings: Any, k: int, seed: int, counts: dict[str, int]
) -> Iterator[dict[str, Any]]:
    from tasks.runtime.adapters import is_adapter
    from tasks.runtime.hardware import compute_dtype
    from tasks.runtime.models import import_model, locate, source_digest
    from tasks.sample.requests import uniform_requests
    from tasks.sample.shards import sample_rows

    path = locate(model)
    with tempfile.TemporaryDirectory(prefix="winnow-model-") as scratch:
        folder = path
        if path.is_file() or (settings.engine != "transformers" and is_adapter(path)):  # others take a plain model
            folder = Path(scratch) / "model"
            folder.mkdir()
            import_model(path, folder, compute_dtype())
        yield from sample_rows(
            folder,
            uniform_requests(prompts, k),
            settings,
            counts,
            policy=source_digest(folder),
            seed=seed,
            round=0,
            dtype=compute_dtype(),
        )
