"""Great Expectations over the verdict columns: statistics, a decision, and Data Docs without a word of the rows.

The checks themselves are ours (nested rows are nothing Great Expectations can look into); it gets one boolean column
a code and expects it to be true in all but the allowed share of rows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.runtime.home import QUIET
from tasks.validate.codes import CODES

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED = "accepted"


def run_suite(name: str, frame: pd.DataFrame, allowed_share: float, docs: Path, strict: Collection[str] = ()) -> dict[str, Any]:
    """Run one suite and write its Data Docs.

    Args:
        name: the suite's name.
        frame: boolean columns, one a code (true: the row passes), and `accepted` (true: it passes all); at least one
        row.
        allowed_share: of rows that may be false in a column, 0–1.
        docs: an empty or missing folder for the site (`index.html`).
        strict: columns that must be true everywhere.

    Returns:
        `success`, and `statistics`: evaluated, successful and unsuccessful expectations, and percent.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", QUIET["GX_ANALYTICS_ENABLED"])
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site("docs", _site(docs))
    rows = context.data_sources.add_pandas("rows").add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name=name))
    suite.expectations = [_expectation(column, allowed_share, strict) for column in frame.columns]
    suite.save()
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=rows, suite=suite))
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="docs", site_names=["docs"])],
        result_format="SUMMARY",
    )
    result = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (validation,) = result.run_results.values()
    # 3.5 MB of logos and fonts in every report; the pages read well without.
    for unused in ("fonts", "images"):
        shutil.rmtree(docs / "static" / unused, ignore_errors=True)
    return {"success": bool(result.success), "statistics": dict(validation.statistics)}


def _expectation(column: str, allowed_share: float, strict: Collection[str]) -> Any:
    import great_expectations.expectations as gxe

    about = "the row passes every check" if column == ACCEPTED else f"false where {CODES[column][0]}"
    # Rounded, for 1 − 0.07 is 0.9299999999999999.
    mostly = 1.0 if column in strict else round(1 - allowed_share, 9)
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True], mostly=mostly, notes=about)


def _site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
    }
