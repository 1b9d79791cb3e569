"""The HTML page: whole, self-contained, and safe whatever a model wrote."""

from __future__ import annotations

import base64

import pytest

from tasks.report.page import render_html
from tasks.report.summary import RunSummary
from tests.report import runs
from tests.report.html_page import Page

RUNS = {"promoted": runs.promoted(), "refused": runs.refused(), "no_training": runs.untrained()}


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    return {name: Page(render_html(run)) for name, run in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
def test_every_tag_is_closed(pages: dict[str, Page], name: str) -> None:
    assert pages[name].wrong == []


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_fetched(pages: dict[str, Page], name: str) -> None:
    page = pages[name]
    assert [address[:40] for address in page.loaded if not address.startswith("data:image/png;base64,")] == []
    assert [address for address in page.links if not address.startswith("file:///")] == []
    assert not {"script", "iframe", "object", "embed", "link"} & set(page.tags)


def test_no_style_fetches_anything() -> None:
    html = render_html(runs.promoted())
    css = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in css
    assert "@import" not in css
    assert "default-src 'none'" in html


def test_pictures_are_pictures(pages: dict[str, Page]) -> None:
    loaded = pages["promoted"].loaded
    assert len(loaded) == 4  # two plots, for light and for dark
    for address in loaded:
        assert base64.b64decode(address.partition(",")[2]).startswith(b"\x89PNG")
    assert len(set(loaded)) == 4


def test_the_same_run_gives_the_same_page() -> None:
    assert render_html(runs.promoted()) == render_html(runs.promoted())


def test_what_a_model_wrote_stays_text() -> None:
    planted = f"{runs.SCRIPT}</pre></body>{{{{ 7 * 7 }}}}"
    answer = (
        runs.promoted()
        .answers[0]
        .model_copy(update={"prompt": planted, "response": planted, "reason": planted, "reference": planted})
    )
    summary = runs.promoted().model_copy(update={"answers": [answer]})
    html = render_html(summary)
    page = Page(html)
    assert page.wrong == []
    assert "script" not in page.tags
    assert "<script>alert" not in html
    assert page.text.count(planted) == 4


def test_names_and_parameters_stay_text_too() -> None:
    base = runs.promoted()
    summary = base.model_copy(
        update={
            "run_id": runs.SCRIPT,
            "parameters": {"model": runs.SCRIPT},
            "record": {runs.SCRIPT: 1},
            "libraries": {runs.SCRIPT: runs.SCRIPT},
            "validations": [base.validations[1].model_copy(update={"of": runs.SCRIPT, "codes": {runs.SCRIPT: 1}})],
        }
    )
    page = Page(render_html(summary))
    assert page.wrong == []
    assert "script" not in page.tags


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("promoted", "Promoted: version\u00a03 is the new champion"),
        ("refused", "Refused: version\u00a03 stays champion"),
        ("no_training", "Nothing was trained: version\u00a03 is champion"),
    ],
)
def test_the_outcome_is_the_headline(pages: dict[str, Page], name: str, said: str) -> None:
    assert said in pages[name].text


def test_the_page_has_what_the_run_did(pages: dict[str, Page]) -> None:
    text = pages["promoted"].text
    for expected in (
        "43.0 %", "38.2 – 47.9 %",  # accuracy and its interval
        "94 : 23", "0.0076",  # the gate
        "42.1 %", "2.05", "13,134",  # the rounds
        "Why answers were not kept", "audit disagreed",
        "no_label 3, too_long 1",  # validation
        "58.7 s", "2.1 GiB", "1 cached",  # cost
        runs.SECOND, "torch\u00a02.13.0", "0123456789abcdef0123456789abcdef01234567",  # lineage
        '"temperature": 1.0',  # parameters
    ):  # fmt: skip
        assert expected in text, expected
    assert pages["promoted"].links == [
        f"file:///somewhere/store/{file}" for file in ("objects/verdicts/ab12/audit.jsonl", "reports/ab12/docs/index.html")
    ]


def test_docs_on_another_machine_are_named_but_not_linked() -> None:
    base = runs.promoted()
    elsewhere = base.validations[1].model_copy(update={"docs": "s3://bucket/docs/index.html"})
    trust = base.trust.model_copy(update={"files": ["s3://bucket/audit.jsonl"]})
    page = Page(render_html(base.model_copy(update={"validations": [elsewhere], "trust": trust})))
    assert page.links == []
    assert "s3://bucket/audit.jsonl" in page.text
    assert "s3://bucket/docs/index.html" in page.text


def test_long_answers_are_cut() -> None:
    answer = runs.promoted().answers[0].model_copy(update={"response": "x" * 100_000})
    page = Page(render_html(runs.promoted().model_copy(update={"answers": [answer]})))
    assert 500 < page.text.count("x" * 10) * 10 + 100 < 1000


def test_one_stage_and_a_loss_of_one_step_can_be_drawn() -> None:
    base = runs.promoted()
    few = base.model_copy(
        update={
            "stages": [runs.stage("base", 0, runs.BASE)],
            "trainings": [base.trainings[0].model_copy(update={"loss": [(1, 2.0)]})],
        }
    )
    full = few.model_copy(update={"stages": [runs.stage("base", 400, runs.BASE)], "trainings": []})
    for summary in (few, full):
        assert Page(render_html(RunSummary.model_validate(summary.model_dump()))).wrong == []
