"""Formats of whole conversations: ShareGPT and what follows it, UltraChat, LIMA, Magpie, OpenAI's messages, Tulu 3."""

from __future__ import annotations

from collections.abc import Callable

from tasks.data.formats.calls import tools_of
from tasks.data.formats.format import Unconvertible, columns, optional_text, text
from tasks.data.formats.turns import alternating, conversation, with_system
from tasks.runtime.rows import Row

_SAVED_PAGE = ('<div class="markdown', '<div class="flex')
_MAGPIE_TURNS = ("instruction", "response", "instruction_2", "response_2")
_TULU_SOURCES = ("ai2-adapt-dev/", "allenai/")


def _holds(column: str, kind: type) -> Callable[[Row], bool]:
    """Whether a column is a list that begins with a `kind`."""

    def fits(record: Row) -> bool:
        value = record.get(column)
        return isinstance(value, list) and bool(value) and isinstance(value[0], kind)

    return fits


def _turns(record: Row) -> bool:
    return _holds("conversations", dict)(record) or _holds("items", dict)(record)


def _sharegpt(record: Row) -> Row:
    """The conversation of a ShareGPT-like record: without what stands before the first question, its system turn apart."""
    column = "items" if record.get("conversations") is None else "conversations"
    row = conversation(record[column], column)
    messages = row["messages"]
    if messages[0]["role"] == "system" and not messages[0]["content"].strip():
        messages = messages[1:]
    system = messages[:1] if messages and messages[0]["role"] == "system" else []
    rest = messages[len(system) :]
    asked = next((index for index, message in enumerate(rest) if message["role"] == "user"), None)
    if asked is None:
        raise Unconvertible("nothing_converted", f"{column} asks nothing")
    if any(message["content"].startswith(_SAVED_PAGE) for message in rest):
        raise Unconvertible("content_unsupported", f"{column} holds the HTML of a web page; turn it into Markdown first")
    if asked:
        row["metadata"] = {**row.get("metadata", {}), "turns_before_first_question": asked}
    row["messages"] = system + rest[asked:]
    for name in ("system", "system_prompt"):
        row = with_system(row, optional_text(record, name), name)
    if tools := tools_of(record):
        row["tools"] = tools
    return row


@columns(
    "conversations",
    "items",
    uses="system system_prompt tools functions",
    knows="lang model",
    ids="id idx",
    fits=_turns,
    shape="a list of turns with from and value",
    licence="CC0-1.0 (ShareGPT 52K/90K); what ChatGPT wrote is under its terms of use",
    citation="sharegpt.com, 2023, by way of huggingface.co/datasets/RyokoAI/ShareGPT52K; Chiang et al., Vicuna, 2023",
)
def sharegpt(record: Row) -> list[Row]:
    """`conversations` (or `items`) of ``{"from", "value"}``; SlimOrca's `weight` a turn; `system`, `tools` beside it."""
    return [_sharegpt(record)]


@columns(
    "conversations source",
    uses="system_prompt system tools functions",
    knows="category custom_instruction topic model_name model skip_prompt_formatting views language title hash avatarUrl "
    "id idx",
    ids="",
    family="category",
    fits=_holds("conversations", dict),
    shape="a list of turns with from and value",
    licence="not stated by its publisher; its parts have licences of their own",
    citation="Teknium, OpenHermes 2.5, 2023, huggingface.co/datasets/teknium/OpenHermes-2.5",
)
def openhermes(record: Row) -> list[Row]:
    """ShareGPT's turns, `system_prompt` beside them; `category` is the family. Its ids, mostly null, are not unique."""
    return [_sharegpt(record)]


@columns(
    "conversations idx",
    ids="idx",
    fits=_holds("conversations", dict),
    shape="a list of turns with from and value",
    licence="MIT",
    citation="Xu et al., WizardLM: Empowering Large Pre-Trained Language Models to Follow Complex Instructions, 2023, "
    "arXiv 2304.12244",
)
def evol_instruct_v2(record: Row) -> list[Row]:
    """WizardLM's 143,000 of the 196,000: ShareGPT's turns, and `idx` as the id."""
    return [_sharegpt(record)]


@columns(
    "conversations instruction response",
    "uuid instruction response",
    uses="conversations instruction_2 response_2",
    knows="model gen_input_configs gen_response_configs extract_input task_category other_task_category "
    "task_category_generator difficulty intent knowledge difficulty_generator input_quality quality_explanation "
    "quality_generator llama_guard_2 reward_model instruct_reward min_neighbor_distance repeat_count min_similar_uuid "
    "instruction_length response_length language pre_query_template",
    ids="uuid conversation_id id",
    family="task_category",
    licence="the one of the model that wrote it (Llama 3, Llama 3.1, Qwen2, Gemma …); see each data set's page",
    citation="Xu et al., Magpie: Alignment Data Synthesis from Scratch by Prompting Aligned LLMs with Nothing, 2024, "
    "arXiv 2406.08464",
)
def magpie(record: Row) -> list[Row]:
    """ShareGPT's turns; `instruction` and `response`, which repeat them, only where they say something else."""
    texts = {name: optional_text(record, name) for name in _MAGPIE_TURNS}
    if record.get("conversations") is None:
        return [alternating([said for name, said in texts.items() if said or not name.endswith("_2")], "instruction")]
    row = _sharegpt(record)
    said = {message["content"] for message in row["messages"]}
    if other := {name: value for name, value in texts.items() if value and value not in said}:
        row["metadata"] = {**row.get("metadata", {}), **other}
    return [row]


@columns(
    "conversations",
    knows="source",
    fits=_holds("conversations", str),
    shape="a list of texts",
    licence="CC BY-NC-SA",
    citation="Zhou et al., LIMA: Less Is More for Alignment, 2023, arXiv 2305.11206",
)
def lima(record: Row) -> list[Row]:
    """`conversations` as plain texts by turns. The 300 questions of its test part have no answer: no rows."""
    return [alternating(record["conversations"], "conversations")]


@columns(
    "data",
    fits=_holds("data", str),
    shape="a list of texts",
    licence="MIT",
    citation="Ding et al., Enhancing Chat Language Models by Scaling High-quality Instructional Conversations, 2023, "
    "arXiv 2305.14233",
)
def ultrachat(record: Row) -> list[Row]:
    """`data`: texts, the user's and the assistant's by turns."""
    return [alternating(record["data"], "data")]


@columns(
    "messages prompt",
    ids="prompt_id",
    fits=_holds("messages", dict),
    shape="a list of turns with role and content",
    licence="MIT",
    citation="Tunstall et al., Zephyr: Direct Distillation of LM Alignment, 2023, arXiv 2310.16944; Ding et al., 2023, "
    "arXiv 2305.14233",
)
def ultrachat_200k(record: Row) -> list[Row]:
    """`messages`; `prompt`, which repeats the first question, only where it says something else."""
    row, prompt = conversation(record["messages"], "messages"), text(record, "prompt")
    if all(message["content"].strip() != prompt.strip() for message in row["messages"]):
        row["metadata"] = {**row.get("metadata", {}), "prompt": prompt}
    return [row]


def _openai(record: Row) -> Row:
    column = next(name for name in ("messages", "conversation") if record.get(name) is not None)
    row = conversation(record[column], column)
    if tools := tools_of(record):
        row["tools"] = tools
    return row


def _speaks(record: Row) -> bool:
    return any(_holds(name, dict)(record) for name in ("messages", "conversation"))


@columns(
    "messages",
    "conversation",
    uses="tools functions",
    knows="parallel_tool_calls source",
    fits=_speaks,
    shape="a list of turns with role and content",
    licence="none: a way to write conversations, not a data set",
    citation="OpenAI, API reference, Chat and Fine-tuning, platform.openai.com/docs",
)
def messages(record: Row) -> list[Row]:
    """OpenAI's chat format: content parts, tool calls, `weight` (see `tasks.data.formats.turns`)."""
    return [_openai(record)]


def _of_tulu(record: Row) -> bool:
    source = record.get("source")
    return isinstance(source, str) and source.startswith(_TULU_SOURCES) and _holds("messages", dict)(record)


@columns(
    "id messages source",
    uses="messages",
    fits=_of_tulu,
    shape="sources of Ai2 (ai2-adapt-dev/…, allenai/…)",
    licence="ODC-BY 1.0; parts are non-commercial, see each source",
    citation="Lambert et al., Tulu 3: Pushing Frontiers in Open Language Model Post-Training, 2024, arXiv 2411.15124",
)
def tulu3(record: Row) -> list[Row]:
    """`id`, `messages` and `source`, as our own chat rows have them."""
    return [_openai(record)]
