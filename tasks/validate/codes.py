"""The codes of the row checks: stable names for what can be wrong with a row, and what to do about it.

Reject files, reports, Data Docs and error messages use these names; a verdict column is called like its code and is
true where the row passes.
"""

from __future__ import annotations

# code → (what is wrong, what to change)
CODES: dict[str, tuple[str, str]] = {
    "broken_json": ("the line is not JSON", "write one JSON object a line"),
    "broken_row": ("the row cannot be read", "correct it, or write JSON lines or Parquet"),
    "not_an_object": ("the row is not an object", "write one JSON object a line"),
    "field_missing": ("a required field is missing or null", "add the field named in the reject file"),
    "field_type": ("a field has a value of the wrong type", "correct the field named in the reject file"),
    "field_unknown": ("a field this kind of row does not have", "remove it, or move it into metadata"),
    "format_mismatch": ("the record is not of the file's format", "put records of other formats into their own file"),
    "nothing_converted": ("the record holds no conversation that may be used", "nothing, when it was deleted or unreviewed"),
    "content_unsupported": ("content that is not text (image, audio, file)", "remove the row: only text is trained on"),
    "tool_call_malformed": (
        "a tool call without a name, with arguments that are no object, to no tool of the row, or answered by nobody",
        "correct the call, or remove the row",
    ),
    "bad_unicode": (
        "text is damaged (lone surrogates, U+FFFD, control characters)",
        "decode the source as UTF-8 again",
    ),
    "duplicate_id": ("another row has the same id", "give each row its own id"),
    "duplicate_row": ("another row says the same", "remove the copies"),
    "role_unknown": ("a role other than system, user, assistant, tool", "rename the role"),
    "role_order": ("roles do not alternate (system first, then user, assistant, …)", "put the turns in order"),
    "last_not_assistant": ("the conversation does not end with the assistant", "remove or answer the last turn"),
    "last_not_user": ("the prompt does not end with a user turn", "remove what follows the question"),
    "empty_turn": ("a turn without visible text", "remove the row or fill the turn"),
    "template_token": ("text contains the chat template's control tokens", "remove them from the text"),
    "nothing_to_train": ("every assistant turn is marked train: false", "mark at least one turn, or remove the row"),
    "too_long": ("more tokens than max_tokens", "split or remove the row, or raise max_tokens"),
    "too_short": ("fewer tokens than min_tokens", "remove the row, or lower min_tokens"),
    "language_other": ("text in none of the languages asked for", "remove the row, or add its language to `languages`"),
    "reference_missing": ("a prompt without a reference", "add the right answer as `reference`"),
    "reference_unparsable": ("the verifier cannot read the reference", "write it the way the verifier documents"),
    "verifier_unknown": (
        "no verifier of that name is registered",
        "correct the name; registered ones are listed below",
    ),
    "length_mismatch": ("input_ids, labels, position_ids and loss_weights differ in length", "render the rows again"),
    "id_out_of_vocabulary": ("a token id the tokenizer does not have", "render with the model's own tokenizer"),
    "no_label": ("no token is trained", "check the label mask and the rows' train marks"),
    "label_mismatch": ("a label is neither -100 nor its token's id", "render the rows again; labels are not shifted"),
    "end_of_turn_untrained": ("a trained turn ends without its closing token", "render with the model's own template"),
    "prompt_trained": ("tokens of the prompt are trained", "check the label mask"),
    "pad_trained": ("padding is trained", "label padding -100; give the tokenizer a pad token of its own"),
    "double_bos": ("more BOS tokens than the template writes", "do not add special tokens to templated text"),
    "position_ids_wrong": ("position ids do not count from 0 in each of the row's members", "pack the rows again"),
    "border_trained": ("a pack trains the first token of a member, across the border", "label each member's first token -100"),
    "loss_weights_wrong": ("loss weights that are negative, not finite, or zero on every label", "weights lie in 0–1"),
    "trained_share_outside": ("the share of trained tokens is outside its band", "check the label mask, or widen the band"),
    "chat_row_unknown": ("none of the chat rows has the label row's id", "pass the chat rows that were rendered"),
    "serving_ids_differ": (
        "tokens before a trained turn are not those a server sends",
        "render with the model's own template",
    ),
    "trained_text_differs": ("the trained tokens do not say what the trained turns say", "render the rows again"),
    "finish_reason_unknown": ("finish_reason is neither stop nor length", "check the sampling engine"),
    "sample_id_wrong": ("sample_id is not prompt_id/round/draw", "check the sampling engine"),
    "prompt_unknown": ("the sample belongs to none of the prompts", "pass the prompts that were sampled from"),
    "number_out_of_range": ("token_count, temperature or logprob cannot be", "check the sampling engine"),
    "draws_missing": ("prompts that do not have all their draws", "sample again: a shard is incomplete"),
    "texts_all_equal": ("all samples say the same", "check the temperature, the seeds and the model"),
    "draws_all_equal": ("prompts whose draws all say the same", "nothing when they are easy; else raise the temperature"),
}

_SOURCE = ["broken_json", "broken_row", "format_mismatch", "nothing_converted", "content_unsupported", "tool_call_malformed"]
_SHAPE = ["not_an_object", "field_missing", "field_type", "field_unknown", "bad_unicode"]
_ROW = [*_SOURCE, *_SHAPE, "duplicate_id"]
_MESSAGES = ["role_unknown", "role_order", "empty_turn", "template_token", "duplicate_row"]
_SIZE = ["too_long", "too_short"]

# kind → the codes its rows are checked for, in the order of the verdict columns
ROW_CODES: dict[str, list[str]] = {
    "chat": [*_ROW, *_MESSAGES, *_SIZE, "language_other", "last_not_assistant", "nothing_to_train"],
    "prompts": [
        *(*_ROW, *_MESSAGES, *_SIZE, "language_other"),
        *("last_not_user", "reference_missing", "verifier_unknown", "reference_unparsable"),
    ],
    "labels": [
        *(*_ROW, "length_mismatch", "id_out_of_vocabulary", "position_ids_wrong", "loss_weights_wrong"),
        *("no_label", "label_mismatch", "end_of_turn_untrained", "prompt_trained", "pad_trained", "border_trained"),
        *("double_bos", "trained_share_outside", *_SIZE),
        *("chat_row_unknown", "serving_ids_differ", "trained_text_differs"),
    ],
    "samples": [*_ROW, "finish_reason_unknown", "sample_id_wrong", "prompt_unknown", "number_out_of_range"],
}

# Codes of a dataset as a whole: no single row is to blame, so any of them refuses the dataset.
WHOLE_CODES: dict[str, list[str]] = {
    "chat": [],
    "prompts": [],
    "labels": [],
    "samples": ["draws_missing", "texts_all_equal", "draws_all_equal"],
}

# code → severity, where it is not ``refuse``. An easy prompt is answered alike each time, and a greedy one always.
SEVERITIES = {"draws_all_equal": "warn"}

# Codes of rows that no later step could use: nobody may make them mere warnings.
UNUSABLE = frozenset(
    (*_SOURCE, *_SHAPE, "duplicate_id", "role_unknown", "verifier_unknown", "length_mismatch", "id_out_of_vocabulary")
)
