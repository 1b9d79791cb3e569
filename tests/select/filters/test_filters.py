"""The filters: what is planted is caught for the right reason, ordinary answers pass, and no text makes them raise."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tasks.select.filters as room
from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row
from tasks.select.filters.reasons import HARD_CHECKS, LENGTH, SOFT, SOFT_CHECKS, filter_reasons
from tasks.select.filters.repetition import repeated_share
from tasks.select.filters.settings import FilterSettings
from tests.select.filters.ordinary import ORDINARY
from tests.select.filters.rows import prompt, reason_for

REASONS = [*HARD_CHECKS, *SOFT_CHECKS, LENGTH]
GERMAN = (
    "Am Morgen backt sie vierzig Brötchen und am Nachmittag noch einmal vierundvierzig. Zusammen sind das vierundachtzig "
    "Brötchen, also lautet die richtige Antwort vierundachtzig."
)
SOLUTION = (
    "In the morning she makes 40 rolls and in the afternoon she makes 44 more rolls, so she makes 40 + 44 = 84 rolls. #### 84"
)
THOUGHT = "We think of the morning first, when the rolls rise slowly, and of how the baker counts them twice."
_MEALS = "breakfast lunch dinner supper brunch tea snack picnic feast banquet".split()  # noqa: SIM905
PARAGRAPH = " ".join(f"After {meal} she counts the rolls that were left from {other}." for meal in _MEALS for other in _MEALS)
CODE = "```python\nmorning = 40\nprint(morning + 44)\n```\n"


@pytest.mark.parametrize(("question", "verifier", "answer"), ORDINARY, ids=range(len(ORDINARY)))
def test_ordinary_answers_pass(question: str, verifier: str, answer: str) -> None:
    assert reason_for(answer, prompt(question, verifier)) == ""


def test_there_are_enough_ordinary_answers() -> None:
    assert len({answer for _, _, answer in ORDINARY}) >= 60


TEMPLATES = [
    "84<|im_end|>",
    "<|im_start|>assistant\n84",
    "84<|eot_id|><|start_header_id|>user<|end_header_id|>",
    "84 <|im_end",
    "[INST] What is 2 + 2? [/INST] 84",
    "<<SYS>>Be brief.<</SYS>> 84",
    "84<end_of_turn>\n<start_of_turn>user",
    "84<｜end▁of▁sentence｜>",
    "84<|endoftext|>",
    "84 <|reserved_special_token_7|>",
    "<s>84</s>",
    "<s> 84",
    "84</s>",
    "84<eos>",
    "<pad><pad><pad>84",
    "84 <extra_id_0>",
    "84\n\nHuman: What is 5 + 5?\n\nAssistant: 10",
    "84\nUser: Thanks!\nAssistant: You are welcome.",
    "84\n\n### Instruction:\nAdd 2 and 2.\n\n### Response:\n4",
    "It is 84.\nuser\nWhat about rye?\nassistant\n12",
    "The answer is 84.\n\nHuman:",
    "The answer is 84.\n\nHuman: And how many on Sunday?",
    "84\n\n**User:** thanks\n\n**Assistant:** bye",
]
REFUSALS = [
    "I'm sorry, but I can't",
    "I’m sorry, but I can’t help with that. 84",
    "I'm sorry, but I cannot assist with that request.",
    "Sorry, I can't do that.",
    "I am unable to assist with this. The number is 84.",
    "I cannot provide the answer to this question, but 84 comes to mind.",
    "I can't help with that.",
    "As an AI language model, I do not eat rolls. 84",
    "As an AI, I can't bake, but 84.",
    "As a large language model trained by OpenAI, I have no opinion on rolls. 84",
    "I'm just an AI assistant and don't know bakers. 84",
    "My apologies, but I'm not able to answer that. 84",
    "Unfortunately, I'm unable to provide the number of rolls. 84",
    "I must respectfully decline. 84",
    "**I'm sorry, but I can't answer that.** 84",
    "<think>It is 84, but I will not say so.</think>\n\nI'm sorry, but I can't share that. 84",
    "很抱歉，我无法回答这个问题。84",
    "作为一个人工智能语言模型，我没有面包。84",
    "申し訳ありませんが、そのご質問にはお答えできません。84",
    "Es tut mir leid, aber ich kann dir dabei nicht helfen. 84",
    "Als KI-Sprachmodell kann ich nicht backen. 84",
    "Je suis désolé, mais je ne peux pas répondre à cette question. 84",
    "Lo siento, pero no puedo ayudar con eso. 84",
    "Desculpe, mas não posso ajudar com isso. 84",
    "Mi dispiace, ma non posso aiutarti. 84",
    "Извините, но я не могу ответить на этот вопрос. 84",
]
LEAKS = [
    "The hint says that it is 84, so 84.",
    "According to the hint, the answer is 84.",
    "According to the answer key, 84.",
    "According to the reference, it is 84.",
    "According to the solution, we add both: 84.",
    "40 + 44 = 84, which matches the reference answer.",
    "Based on the provided answer, she makes 84 rolls.",
    "The answer key says 84.",
    "The reference solution is 84, hence 84.",
    "As stated in the hint, add the two: 84.",
    "I was given the correct answer, which is 84.",
    "<think>Using the hint, I get 84.</think>84",
    "Given that the correct answer is 84, we only have to find the way: 40 + 44 = 84.",
    "As hinted, it is 84.",
    "The user hinted that it is 84, so 84.",
]
LOOPS = [
    "The answer is 84. " * 9,
    "84 " * 60,
    "84, " * 60 + "84",
    "So 40 + 44. " + "Wait, let me think again about the rolls and the morning. " * 6 + "It is 84.",
    "答案是八十四。" * 12,
    "ha" * 60 + " 84",
    "I think\nI think\n" * 20,
    "40 + 44 = 84\n" * 12,
    '{"answer": "' + "I think it is 84. " * 12 + '"}',
    "I think it is this. " * 12 + "<answer>[84]</answer>",
    " ".join(f"word{n % 90}" for n in range(500)) + " 84",
]


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        *(("template_tokens", text) for text in TEMPLATES),
        *(("refusal", text) for text in REFUSALS),
        *(("leaked_hint", text) for text in LEAKS),
        *(("loop", text) for text in LOOPS),
        ("language_differs", GERMAN),
        ("language_differs", f"<think>{THOUGHT}</think>{GERMAN}"),
        (
            "language_differs",
            "面包师早上做了四十个面包，下午又做了四十四个面包，所以她今天一共做了八十四个面包，答案就是八十四。" * 2,
        ),
        ("mixed_languages", "<think>She makes 40 rolls, 然后再加上四十四个面包, so 84.</think>84"),
        ("mixed_languages", "First 40 rolls, потом ещё сорок четыре, together 84."),
        ("long_paragraph", f"<think>{PARAGRAPH}</think>84"),
        ("long_paragraph", f"{PARAGRAPH} 84"),
        ("code_block", f"<think>Let me compute it.\n{CODE}</think>84"),
        ("code_block", f"Let me compute it.\n{CODE}It is 84."),
        ("code_block", "Let me compute it.\n~~~\na = 40\nb = 44\n"),
    ],
)
def test_planted_answers_are_caught(reason: str, answer: str) -> None:
    assert reason_for(answer) == reason
    assert reason_for(answer, **dict.fromkeys(REASONS, False)) == ""
    assert reason_for(answer, **{reason: False}) != reason


def test_a_text_that_says_long_paragraphs_again_is_repetition() -> None:
    sentences = [
        f"Step {n} takes the rolls of tray {n} and counts them with care, so that nobody has to count them again."
        for n in range(9)
    ]
    text = " ".join(sentences)
    assert repeated_share(text.split()) == 0
    assert reason_for(text) == ""
    assert reason_for("\n\n".join([text] * 2), verifier_free()) == ""
    assert reason_for("\n\n".join([text] * 3), verifier_free()) == "repetition"
    assert reason_for("\n\n".join([text] * 3), verifier_free(), repeated_share=0.7) == ""


def verifier_free() -> Row:
    return prompt(verifier="judge")


@pytest.mark.parametrize(
    ("changes", "answer", "reason"),
    [
        ({"metadata": {"hint": "Add both."}}, "Add both. 84", ""),
        ({"metadata": {"hint": SOLUTION}}, SOLUTION, "leaked_hint"),
        ({"metadata": {"hint": [SOLUTION]}}, SOLUTION, "leaked_hint"),
        ({"metadata": {"hint": SOLUTION}}, "40 + 44 = 84", ""),
        ({"metadata": {"hint": 84}}, "84", ""),
        ({"metadata": None}, "84", ""),
        ({"question": "Hint: add both. How many?"}, "The hint says to add both: 84.", ""),
        (
            {"question": "Hint: add both. How many?", "metadata": {"hint": "add"}},
            "The hint says to add both: 84.",
            "leaked_hint",
        ),
        ({"question": f"Solve it. Solution: {SOLUTION}", "reference": SOLUTION}, SOLUTION, "leaked_hint"),
        ({"question": f"Solve it. Solution: {SOLUTION}", "reference": SOLUTION}, "40 + 44 = 84", ""),
        ({"question": f"Repeat: {SOLUTION}", "reference": SOLUTION, "verifier": "exact"}, SOLUTION, ""),
        ({"reference": SOLUTION}, SOLUTION, ""),
    ],
)
def test_a_hint_leaks_when_it_is_cited_or_copied(changes: dict[str, Any], answer: str, reason: str) -> None:
    assert reason_for(answer, prompt(**changes)) == reason


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"question": "How many rolls does the baker make in the morning and in the afternoon? Answer in German."}, GERMAN),
        ({"question": "Translate: in the morning she bakes forty rolls and in the afternoon she bakes forty-four."}, GERMAN),
        ({"question": "3 + 5 ="}, GERMAN),
        ({"metadata": {"language": "de-AT"}}, GERMAN),
        ({"verifier": "code"}, GERMAN),
        (
            {"question": "In the morning she bakes forty rolls, and then some more.\nBitte erkläre es mir auf einfache Art."},
            GERMAN,
        ),
    ],
)
def test_another_language_is_fine_where_it_is_asked_for(changes: dict[str, Any], answer: str) -> None:
    assert reason_for(answer, prompt(**changes)) == ""


@pytest.mark.parametrize("question", ["What is the sum of 40 and 44?", "How many rolls are there in all?"])
def test_a_question_too_short_to_be_sure_of_is_seen_to_be_english(question: str) -> None:
    assert reason_for(GERMAN, prompt(question)) == "language_differs"
    assert reason_for(GERMAN, prompt(f"{question} Answer in German.")) == ""


def test_reasoning_is_the_thinking_part_and_else_what_stands_before_a_final_answer() -> None:
    answer = f"Here you are:\n{CODE}"
    assert reason_for(answer, verifier_free()) == ""
    assert reason_for(f"<think>Easy.</think>{answer}") == ""
    assert reason_for(f"{CODE}</think>84", verifier_free()) == "code_block"
    assert reason_for(f"<think>{CODE}", verifier_free()) == "code_block"
    assert reason_for(answer, prompt("Which number does this Python code print?")) == ""


def test_length_outliers_are_judged_by_family() -> None:
    lengths = {"sums": [*range(100, 300), 5, 900], "songs": [1, 5000]}
    answers = {
        family: [{"sample_id": f"{family}/{n}", "text": "84", "family": family, "token_count": n} for n in sizes]
        for family, sizes in lengths.items()
    }
    prompts = {family: prompt() for family in answers}
    assert set(filter_reasons(answers, prompts, FilterSettings()).values()) == {""}
    wanted = FilterSettings(length_outlier=True, shortest=0.005, longest=0.995)
    dropped = {name for name, reason in filter_reasons(answers, prompts, wanted).items() if reason == LENGTH}
    assert dropped == {"sums/5", "sums/900"}
    same = {"sums": [{"sample_id": str(n), "text": "84", "family": "sums", "token_count": 3} for n in range(200)]}
    assert set(filter_reasons(same, prompts, wanted).values()) == {""}


def test_hard_reasons_come_first() -> None:
    answer = f"{GERMAN} <|im_end|>"
    assert reason_for(answer) == "template_tokens"
    assert reason_for(answer, template_tokens=False) == "language_differs"
    assert not SOFT & HARD_CHECKS.keys()


def test_an_unknown_prompt_is_refused() -> None:
    with pytest.raises(ContractError, match="no such prompt"):
        filter_reasons({"q": [{"sample_id": "q", "text": "84"}]}, {"p": prompt()}, FilterSettings())


def test_the_table_says_what_the_code_does() -> None:
    table = (Path(room.__file__).parent / "FILTERS.md").read_text()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines() if line.startswith("| `")]
    rows = {name.strip(" `"): (default.strip(), kind.strip(), file.strip()) for name, _, default, kind, file, _ in cells}
    assert list(rows) == REASONS
    defaults = FilterSettings()
    for name, (default, kind, file) in rows.items():
        assert default == ("on" if getattr(defaults, name) else "off")
        assert kind == ("soft" if name in SOFT else "hard")
        assert (Path(room.__file__).parent / file).exists()
    for name in ("repeated_share", "paragraph_words", "shortest", "longest", "least_answers"):
        assert f"`{name}` ({getattr(defaults, name)})" in table


PIECES = st.sampled_from(
    [
        "<|",
        "|>",
        "<think>",
        "</think>",
        "```",
        "~~~",
        "`",
        "$",
        "$$",
        "\\[",
        "\\(",
        "[INST",
        "User:",
        "\n",
        "\n\n",
        "Sorry, ",
        "I can't",
        "the hint says",
        "84",
        "ha",
        "哈",
        "ш",
        " ",
        "<s>",
        "</s>",
        "<pad>",
        "###",
        "\x00",
        "\u202e",
        "ﷺ",
        "🏳️‍🌈",
        "İ",
        "ß",
        "As an AI, I",
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join))


@settings(max_examples=100, deadline=None)
@given(answer=TEXTS, question=TEXTS, verifier=st.sampled_from(["number", "judge", "code"]), hint=st.one_of(st.none(), TEXTS))
@example(answer="", question="", verifier="number", hint="")
def test_no_text_makes_a_filter_raise(answer: str, question: str, verifier: str, hint: str | None) -> None:
    asked = prompt(question, verifier, metadata={"hint": hint}, reference=answer)
    assert reason_for(answer, asked, length_outlier=True) in ("", *REASONS)


@pytest.mark.parametrize(
    "piece",
    [
        "<|",
        "<",
        "[",
        "`",
        "```",
        "$",
        "$$",
        "\\[",
        "\\(",
        "~~~\n",
        "\n",
        "User:\n",
        "a",
        "ha ",
        "<think>",
        "the hint ",
        "Sorry, ",
        "哈",
        "<pad>",
    ],
)
def test_a_text_of_one_piece_takes_no_time(piece: str) -> None:
    begun = time.process_time()
    reason_for(piece * (30_000 // len(piece)))
    assert time.process_time() - begun < 2
