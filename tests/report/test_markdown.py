"""The short report: tables that are tables, and text that is only text."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from tasks.report.markdown import cell, render_markdown
from tests.report import runs
from tests.report.html_page import Page

RUNS = {"promoted": runs.promoted(), "refused": runs.refused(), "no_training": runs.untrained()}
NASTY = [
    "a | b\n| c | d |",
    "`code` ``` fence",
    "<script>alert(1)</script>",
    "![x](https://example.org/x.png) [y](javascript:alert(1))",
    "# heading\n\n- list\n1. list\n> quote",
    "https://example.org/z www.example.org a@example.org",
    "\\| \\\\ *a* _b_ ~~c~~ $x$",
    "&lt;b&gt; &amp; &#124;",
]


def rendered(markdown: str) -> str:
    """HTML as a renderer makes it that passes HTML through: the least careful one."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown)


@pytest.mark.parametrize("name", RUNS)
def test_tables_have_as_many_cells_in_each_row(name: str) -> None:
    tables = [block for block in render_markdown(RUNS[name]).split("\n\n") if block.startswith("|")]
    assert tables
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


@pytest.mark.parametrize("text", NASTY)
def test_text_comes_out_as_it_went_in(text: str) -> None:
    page = Page(rendered(f"| a | b |\n| :-- | :-- |\n| {cell(text)} | end |\n"))
    assert page.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert " ".join(text.split()) in page.text
    assert Page(rendered(f"- {cell(text)}\n")).tags == ["ul", "li"]


def test_long_text_is_cut() -> None:
    assert len(cell("x" * 1000)) == 120


@pytest.mark.parametrize("name", RUNS)
def test_it_shows_no_picture_and_no_link(name: str) -> None:
    page = Page(rendered(render_markdown(RUNS[name])))
    assert page.loaded == []
    assert page.links == []
    assert not {"script", "img", "a"} & set(page.tags)
    assert page.wrong == []


def test_it_says_what_was_decided_and_where_the_page_is() -> None:
    text = render_markdown(runs.promoted())
    assert text.startswith("# Promoted: version\u00a03 is the new champion\n")
    assert "| round 2 ★ | 60.8 % | 55.9 – 65.4 % | 400 |" in text
    assert f"`{runs.promoted().report}`" in text
    assert "No gate was held" in render_markdown(runs.untrained())
