"""How far the verdicts can be trusted, in figures and in words."""

from __future__ import annotations

import pytest

from tasks.gate.statistics import wilson
from tasks.report.markdown import render_markdown
from tasks.report.page import render_html
from tasks.report.trust import Trust, audit_in_words, outcome, trust_figures
from tests.report import runs
from tests.report.html_page import Page


def test_rounds_are_added_up_and_precision_has_its_interval() -> None:
    trust = runs.trust()
    assert (trust.rare, trust.random, trust.disagreed, trust.rare_disagreed, trust.undecided) == (30, 50, 10, 8, 2)
    assert [(one.name, one.judged, one.agreed) for one in trust.deciles] == [("0.0 – 0.1", 15, 11), ("0.4 – 0.5", 20, 20)]
    assert (trust.deciles[0].share, (trust.deciles[0].low, trust.deciles[0].high)) == (pytest.approx(11 / 15), wilson(11, 15))
    assert trust_figures(None, [], "") == Trust()


def test_words() -> None:
    trust = runs.trust()
    assert audit_in_words(trust) == (
        "50 accepted answers were put aside for people to read. number was asked about them and about 30 rare successes. "
        "It did not accept 10, 2 of them without a verdict (8 rare ones), and none of these is trained on."
    )
    assert audit_in_words(Trust()) == ""
    assert "No second verifier" in audit_in_words(Trust(random=50))
    assert [outcome(one) for one in trust.verifiers] == ["passed", "passed; right answers not planted"]


def test_the_reports_have_the_section_where_there_is_something_to_say() -> None:
    page, short = Page(render_html(runs.promoted())), render_markdown(runs.promoted())
    assert "| number | 1 of 313 | 1.5 % | 0 of 124 | 2.4 % | passed |" in short
    assert "| 0.0 – 0.1 | 15 | 73.3 % |" in short
    for text in (page.text, short):
        assert "How far the verdicts can be trusted" in text
        assert "30 rare successes" in text
    assert "injection" in page.text
    assert "can be trusted" not in Page(render_html(runs.untrained())).text + render_markdown(runs.untrained())
