"""Chat families for the tests: each with a template in its documented format and a small tokenizer of the same kind.

The templates write what the published ones write, in Jinja of our own; the tokenizers are trained here, on one page of
text, with the pre-tokenisation, normalisation, control tokens and post-processing that matter to where a label lies.
"""

from __future__ import annotations

from tests.chat.families.families import FAMILIES, Family

__all__ = ["FAMILIES", "Family"]
