"""Small records of every format, with the columns and the oddities of the upstream files; the words are our own."""

from __future__ import annotations

from typing import Any

from tests.validate.rows import chat, label, prompt, sample

CALL = {"name": "add", "arguments": '{"a": 2, "b": 3}'}
TOOL = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}


def said(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[index % 2], "value": text} for index, text in enumerate(texts)]


def spoken(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]


def node(number: str, role: str, text: str, *replies: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A message of OpenAssistant's trees, as the JSON lines have it."""
    about = {"message_id": number, "user_id": "u1", "text": text, "role": role, "lang": "en", "review_count": 3}
    state = {"review_result": True, "deleted": False, "synthetic": False, "emojis": {"+1": 2}}
    return about | state | {"replies": list(replies), "labels": {"spam": {"value": 0.0, "count": 3}}} | changes


def tree(number: str, root: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"message_tree_id": number, "tree_state": "ready_for_export", "prompt": root, **changes}


TREE = tree(
    "t1",
    node(
        "t1",
        "prompter",
        "Why is the sky blue?",
        node("worse", "assistant", "It mirrors the sea.", rank=1),
        node(
            "better",
            "assistant",
            "Air scatters blue light most.",
            node("left", "prompter", "And red?"),
            node("asked", "prompter", "And at dusk?", node("last", "assistant", "Red light gets through.", rank=0)),
            rank=0,
        ),
    ),
)


def flat(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A tree as the message rows of the data set on the hub, in the order it has them: depth first."""
    rows, left = [], [(record["prompt"], None)]
    while left:
        message, parent = left.pop()
        row = {name: value for name, value in message.items() if name != "replies"}
        row |= {"parent_id": parent, "message_tree_id": record["message_tree_id"], "tree_state": record["tree_state"]}
        rows.append({"rank": None, "model_name": None, **row, "created_date": "2023-02-05T14:23:50+00:00"})
        left += [(reply, message["message_id"]) for reply in reversed(message["replies"])]
    return rows


# format → records, each sound: it becomes rows that pass every check
EXAMPLES: dict[str, list[Any]] = {
    "alpaca": [
        {"instruction": "Add the numbers.", "input": "2, 3", "output": "5", "text": "Below is an instruction … 5"},
        {"instruction": "Name a colour.", "input": "", "output": "Red.", "text": "Below is an instruction … Red."},
        {
            "instruction": "Greet me.",
            "input": "<noinput>",
            "output": "Hello!",
            "system": "Be kind.",
            "history": [["Hi", "Yes?"]],
        },
    ],
    "dolly": [
        {
            "instruction": "When was it built?",
            "context": "The bridge [1] is of 1890.",
            "response": "1890",
            "category": "closed_qa",
        },
        {"instruction": "Name a river.", "context": "", "response": "The Rhine.", "category": "open_qa"},
    ],
    "evol_instruct": [
        {"instruction": "Explain tides to a sailor, in three steps.", "output": "First, the moon …"},
        {"instruction": "Sort 3, 1, 2.", "output": "1, 2, 3"},
    ],
    "orca": [
        {"id": "niv.1", "system_prompt": "", "question": "Is ice cold?", "response": "Yes."},
        {"id": "flan.2", "system_prompt": "Explain your steps.", "question": "3 + 4?", "response": "3 + 4 is 7."},
    ],
    "self_instruct": [
        {
            "id": "seed_task_0",
            "name": "opposites",
            "instruction": "Give the opposite.",
            "instances": [{"input": "hot", "output": "cold"}, {"input": "wet", "output": "dry"}],
            "is_classification": False,
        },
        {"id": "seed_task_1", "name": "joke", "instruction": "Tell a joke.", "instances": [{"input": "", "output": "Knock."}]},
    ],
    "gsm8k": [
        {"question": "A box has 1,000 pens, another 125. How many?", "answer": "1000+125=<<1000+125=1125>>1,125\n#### 1,125"},
        {"question": "Tom had 4 coins and lost 5 in debt. What is left?", "answer": "4-5=<<4-5=-1>>-1\n#### -1"},
    ],
    "sharegpt": [
        {"id": "a_0", "conversations": said("Hi there", "Hello!", "What is 2 + 2?", "4")},
        {"id": "b_9", "conversations": [{"from": "gpt", "value": "… and so on."}, *said("Go on", "Then it ended.")]},
        {"id": "c_0", "items": [{"from": "human", "value": "Who?"}, {"from": "bing", "value": "Me."}]},
        {
            "conversations": [
                {"from": "system", "value": "Be brief.", "weight": None},
                {"from": "human", "value": "Name a tree.", "weight": 0},
                {"from": "gpt", "value": "Oak.", "weight": 1},
            ]
        },
        {
            "conversations": [
                {"from": "human", "value": "2 + 3?"},
                {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 2, "b": 3}}'},
                {"from": "observation", "value": "5"},
                {"from": "gpt", "value": "It is 5."},
            ],
            "system": "Use tools.",
            "tools": '[{"name": "add", "parameters": {}}]',
        },
    ],
    "openhermes": [
        {
            "conversations": said("Which is odd, 2 or 3?", "3"),
            "source": "airoboros2.2",
            "category": "orca",
            "skip_prompt_formatting": False,
            "system_prompt": "You are terse.",
            "custom_instruction": None,
            "views": None,
            "id": None,
        },
        {"conversations": said("Say yes.", "Yes."), "source": "caseus_custom", "category": None, "idx": 7, "title": "yes"},
    ],
    "evol_instruct_v2": [
        {"idx": "0WqsNDg", "conversations": said("Plan a day.", "Wake up, work, sleep.")},
        {"idx": "1ab", "conversations": said("Plan a night.", "Sleep.")},
    ],
    "magpie": [
        {
            "uuid": "11-22",
            "model": "some-model",
            "gen_input_configs": {"temperature": 1.0, "top_p": 1.0, "seed": None},
            "instruction": "What is a verb?",
            "response": "A word for doing.",
            "conversations": said("What is a verb?", "A word for doing."),
            "task_category": "Information seeking",
            "other_task_category": ["Education"],
            "difficulty": "easy",
            "instruct_reward": -3.5,
            "min_neighbor_distance": float("nan"),
            "repeat_count": 0,
            "language": "EN",
        }
    ],
    "lima": [
        {"conversations": ["How do I boil an egg?", "Put it into boiling water."], "source": "wikihow"},
        {"conversations": ["Hi", "Hello.", "Bye", "Goodbye."], "source": "multi_turn"},
    ],
    "ultrachat": [{"id": "0", "data": ["How big is the moon?", "3,474 km across.", "And Mars?", "6,779 km."]}],
    "ultrachat_200k": [
        {"prompt": "Write a line.", "prompt_id": "f0e1", "messages": spoken("Write a line.", "A line.", "More.", "Two lines.")}
    ],
    "messages": [
        {"messages": spoken("What is a noun?", "A name.")},
        {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Use "}, {"type": "text", "text": "tools."}]},
                {"role": "user", "content": "2 + 3, and 4 + 5?", "name": "ann"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": CALL},
                        {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"a": 4, "b": 5}'}},
                    ],
                },
                {"role": "tool", "tool_call_id": "c2", "content": "9"},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "5"}]},
                {"role": "assistant", "content": "5 and 9.", "refusal": None, "annotations": [], "audio": None},
            ],
            "tools": [{"type": "function", "function": TOOL}],
            "parallel_tool_calls": True,
        },
        {
            "messages": [
                {"role": "user", "content": "2 + 3?"},
                {"role": "assistant", "content": None, "function_call": CALL},
                {"role": "function", "name": "add", "content": "5"},
                {"role": "assistant", "content": "5", "weight": 1},
                {"role": "user", "content": "Are you sure?"},
                {"role": "assistant", "content": "No.", "weight": 0},
            ],
            "functions": [TOOL],
        },
    ],
    "tulu3": [
        {"id": "oasst1_1", "messages": spoken("Name a fruit.", "Pear."), "source": "ai2-adapt-dev/oasst1_converted"},
        {"id": "personahub_2", "messages": spoken("1 + 1?", "2"), "source": "allenai/tulu-3-sft-personas-math-grade"},
    ],
    "preference": [
        {"prompt": "Name a bird.", "chosen": "A wren.", "rejected": "A bat."},
        {
            "prompt": "Name a fish.",
            "prompt_id": "p1",
            "chosen": spoken("Name a fish.", "A pike."),
            "rejected": spoken("Name a fish.", "A whale."),
            "messages": spoken("Name a fish.", "A pike."),
            "score_chosen": 9.0,
            "score_rejected": 2.0,
        },
        {"prompt": spoken("Hi", "Hello.", "Bye"), "chosen": spoken("", "Goodbye.")[1:], "rejected": spoken("", "No.")[1:]},
        {
            "chosen": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Name a bee.\n\nAssistant: A bumblebee.",
            "rejected": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Name a bee.\n\nAssistant: A fly.",
        },
        {"system": "Be right.", "question": "2 + 2?", "chosen": "4", "rejected": "5"},
    ],
    "oasst": [TREE],
    "chat": [chat("own-1"), {**chat("own-2"), "family": "sums", "metadata": {"level": 2}}],
    "prompts": [prompt("own-1"), {**prompt("own-2"), "metadata": {"level": 2}}],
    "labels": [label("own-1"), label("own-2", weight=0.5)],
    "samples": [sample("p0", 0), sample("p0", 1)],
    "verdicts": [
        {"sample_id": "p/1/0", "verifier": "exact", "verifier_version": "1", "state": "accepted", "score": 1.0, "reason": ""}
    ],
    "pass_rates": [{"prompt_id": "p", "draws": 8.0, "accepted": 2.4}],
    "scores": [{"item_id": "p", "family": "sums", "score": 1.0, "state": "accepted", "sample_id": "p/0/0"}],
}
# formats that are told from others by their name only
NAMED = {"alpaca_gpt4": "alpaca", "oasst_all": "oasst"}
EXAMPLES |= {name: EXAMPLES[like] for name, like in NAMED.items()}
OWN = ("chat", "prompts", "labels", "samples", "verdicts", "pass_rates", "scores")
UPSTREAM = sorted(name for name in EXAMPLES if name not in OWN)
