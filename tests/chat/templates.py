"""Chat templates for the tests, all over ChatML's tokens so that one tokenizer serves them all."""

PLAIN = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def with_blocks(inside: str, after: str) -> str:
    """ChatML with generation blocks: `inside` closes the block's text, `after` follows the block."""
    return (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
        "{% generation %}{{ m['content'] + '" + inside + "' }}{% endgeneration %}{{ '" + after + "' }}{% else %}"
        "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )


# The three ways authors cut the block: with the closing token, before it, and with the newline after it.
BLOCKS = [with_blocks("<|im_end|>", "\n"), with_blocks("", "<|im_end|>\n"), with_blocks("<|im_end|>\n", "")]

# As Qwen3 does: a thought is kept in the last turn only, so an earlier turn reads differently once others follow.
THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# Writes how many messages there are first: no prompt is ever a prefix of the whole.
COUNTING = "{{ messages | length }}" + PLAIN

# GPT-2's rule cuts two newlines before a word in two, and keeps them together at the end of a prompt.
TWO_NEWLINES = PLAIN.replace("assistant\n' }}", "assistant\n\n' }}").replace("m['role'] + '\n' +", "m['role'] + '\n\n' +")

# As Phi-3 does: one more token after a conversation that is over.
CLOSED_TWICE = PLAIN.replace("{% endif %}", "{% else %}{{ '<|endoftext|>' }}{% endif %}")

# Trims contents, as Llama-3 does.
TRIMMING = PLAIN.replace("m['content'] +", "m['content'] | trim +")

TWO_BOS = "{{ bos_token }}" + PLAIN
UNCLOSED = PLAIN.replace("<|im_end|>\n", "\n")
REFUSING = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}" + PLAIN
