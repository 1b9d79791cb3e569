"""Great Expectations over the verdict and measured columns: statistics, a decision, and Data Docs without a word of the rows.

The checks themselves are ours (nested rows are nothing Great Expectations can look into); it gets one boolean column
a code and expects it to be true in all but the allowed share of rows. Expectations of a profile come on top.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.runtime.home import QUIET
from tasks.validate.codes import CODES, ROW_CODES, WHOLE_CODES
from tasks.validate.expectations import ACCEPTED, build_expectation, own_expectations
from tasks.validate.settings import ExpectationSettings, ValidationSettings

if TYPE_CHECKING:
    import pandas as pd

_LEVELS = {"refuse": "critical", "warn": "warning"}


def run_suite(
    kind: str, frame: pd.DataFrame, settings: ValidationSettings, docs: Path, idle: Collection[str] = ()
) -> dict[str, Any]:
    """Run the suite of a kind and write its Data Docs.

    Args:
        kind: ``chat``, ``prompts``, ``labels`` or ``samples``; the suite's name.
        frame: boolean columns, codes of the kind (true: the row passes) and `accepted`, and the measured columns of the
            profile's expectations; at least one row.
        settings: allowed shares, severities, and expectations of one's own.
        docs: an empty or missing folder for the site (`index.html`).
        idle: codes that nothing was checked for.

    Returns:
        `success` (no expectation failed that refuses), `statistics` (evaluated, successful and unsuccessful expectations,
        and percent) and `expectations`: the profile's own, each with `expectation`, `column`, `severity`, `success` and
        `observed`, in words.
    """
    own = own_expectations(settings, kind)
    columns = [column for column in (*ROW_CODES[kind], *WHOLE_CODES[kind], ACCEPTED) if column in frame and column not in idle]
    expectations = [*_verdicts(kind, columns, settings), *(build_expectation(wish, {"own": n}) for n, wish in enumerate(own))]
    validation = _run(kind, frame, expectations, docs)
    results = {result.expectation_config.meta["own"]: result for result in validation.results if _is_own(result)}
    return {
        "success": all(result.success for result in validation.results if result.expectation_config.severity != "warning"),
        "statistics": dict(validation.statistics),
        "expectations": [_outcome(wish, results[number]) for number, wish in enumerate(own)],
    }


def _verdicts(kind: str, columns: Sequence[str], settings: ValidationSettings) -> Iterator[Any]:
    import great_expectations.expectations as gxe

    for column in columns:
        if column == ACCEPTED:
            about, severity, allowed = "the row is not rejected", "refuse", settings.max_rejected_share
        else:
            about, severity = f"false where {CODES[column][0]}", settings.severity_of(column)
            # A fault of the dataset as a whole is in every row, and no share of it is allowed.
            allowed = 0.0 if column in WHOLE_CODES[kind] else settings.allowed_share(column)
        yield gxe.ExpectColumnValuesToBeInSet(
            column=column,
            value_set=[True],
            mostly=round(1 - allowed, 9),  # 1 − 0.07 is 0.9299999999999999
            severity=_LEVELS[severity],
            notes=about,
        )


def _run(name: str, frame: pd.DataFrame, expectations: list[Any], docs: Path) -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", QUIET["GX_ANALYTICS_ENABLED"])
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site("docs", _site(docs))
    rows = context.data_sources.add_pandas("rows").add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name=name))
    suite.expectations = expectations
    suite.save()
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=rows, suite=suite))
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="docs", site_names=["docs"])],
        result_format="SUMMARY",
    )
    result = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    # 3.5 MB of logos and fonts in every report; the pages read well without.
    for unused in ("fonts", "images"):
        shutil.rmtree(docs / "static" / unused, ignore_errors=True)
    (validation,) = result.run_results.values()
    return validation


def _is_own(result: Any) -> bool:
    return "own" in (result.expectation_config.meta or {})


def _outcome(wish: ExpectationSettings, result: Any) -> dict[str, Any]:
    found = result.result or {}
    observed = found.get("observed_value")
    if found.get("unexpected_count") is not None:
        observed = f"{found['unexpected_count']} of {found['element_count']} rows are not as expected"
    if problem := _problem(result.exception_info or {}):
        observed = f"could not be evaluated: {problem}"
    return {
        "expectation": wish.expectation,
        "column": wish.column,
        "severity": wish.severity,
        "success": bool(result.success),
        "observed": str(observed),
    }


def _problem(info: dict[str, Any]) -> str:
    """The first complaint of an expectation that failed to run; Great Expectations nests them a metric each."""
    inner = [info] if "exception_message" in info else [value for value in info.values() if isinstance(value, dict)]
    return next((str(each["exception_message"]).splitlines()[0] for each in inner if each.get("exception_message")), "")


def _site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
    }
