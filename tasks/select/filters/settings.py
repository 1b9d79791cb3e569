"""What makes an accepted answer unfit to train on, and when two answers say nearly the same."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FilterSettings(BaseModel):
    """One switch a filter, and the limits that are a matter of taste; FILTERS.md defines each filter."""

    model_config = ConfigDict(extra="forbid")

    template_tokens: bool = Field(True, description="Drop answers with a chat template's control text or made-up turns.")
    refusal: bool = Field(True, description="Drop answers that open with a refusal's stock phrase.")
    leaked_hint: bool = Field(True, description="Drop answers that rest on a hint or a reference solution, or copy it.")
    loop: bool = Field(True, description="Drop answers that say the same words many times in a row.")
    repetition: bool = Field(True, description="Drop answers that mostly say again what they have said.")
    language_differs: bool = Field(True, description="Drop answers in another language than their prompt's, unless asked for.")
    mixed_languages: bool = Field(True, description="Drop reasoning that mixes in another script, as Chinese in English.")
    long_paragraph: bool = Field(True, description="Drop reasoning with a very long paragraph.")
    code_block: bool = Field(True, description="Drop reasoning with a block of code.")
    length_outlier: bool = Field(False, description="Drop answers far shorter or longer than the others of their family.")
    repeated_share: float = Field(
        0.6, gt=0, lt=1, description="repetition: largest share of an answer's words in runs of 20 that were said before."
    )
    paragraph_words: int = Field(
        400, ge=50, le=100_000, description="long_paragraph: most words of a paragraph; characters in Chinese, Thai …."
    )
    shortest: float = Field(
        0.01, ge=0, lt=0.5, description="length_outlier: quantile of the family's lengths below which an answer is dropped."
    )
    longest: float = Field(
        0.99, gt=0.5, le=1, description="length_outlier: quantile of the family's lengths above which an answer is dropped."
    )
    least_answers: int = Field(
        100, ge=10, le=1_000_000, description="length_outlier: fewest answers of a family whose lengths are judged."
    )


class NearDuplicateSettings(BaseModel):
    """When an answer to another prompt, or of another night, counts as said already."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(True, description="Drop answers that nearly repeat another prompt's, or a past night's, answer.")
    threshold: float = Field(0.8, ge=0.3, le=1, description="Jaccard similarity from which two answers are near duplicates.")
    ngram: int = Field(5, ge=1, le=20, description="Words in a row that are compared; single characters in Chinese, Thai ….")
    least_words: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Answers with fewer different words are never near duplicates; numbers and single letters do not count.",
    )
