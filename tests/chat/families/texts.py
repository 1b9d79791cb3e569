"""One conversation in each family's documented format, written out by hand: what the templates must render."""

from __future__ import annotations

CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "Four."},
    {"role": "user", "content": " And 3+3? "},
    {"role": "assistant", "content": "Six.\n"},
]

_CHATML = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\nFour.<|im_end|>\n"
    "<|im_start|>user\n And 3+3? <|im_end|>\n<|im_start|>assistant\n%sSix.\n<|im_end|>\n"
)
_LLAMA3 = "<|start_header_id|>%s<|end_header_id|>\n\n"
_COMMAND = "<|START_OF_TURN_TOKEN|><|%s_TOKEN|>%s<|END_OF_TURN_TOKEN|>"

_DEEPSEEK = (
    "<｜begin▁of▁sentence｜>Be brief.<｜User｜>2+2?<｜Assistant｜>Four.<｜end▁of▁sentence｜>"
    "<｜User｜> And 3+3? <｜Assistant｜>Six.\n<｜end▁of▁sentence｜>"
)

# Family → the whole conversation as text (without its system message where the family refuses one).
WHOLE = {
    "smollm2": _CHATML % "",
    "generation": _CHATML % "",
    "qwen25": _CHATML % "",
    "qwen3": _CHATML % "<think>\n\n</think>\n\n",
    "phi4": (
        "<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>2+2?<|im_end|>"
        "<|im_start|>assistant<|im_sep|>Four.<|im_end|><|im_start|>user<|im_sep|> And 3+3? <|im_end|>"
        "<|im_start|>assistant<|im_sep|>Six.\n<|im_end|>"
    ),
    "llama2": ("<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n2+2? [/INST] Four. </s><s>[INST] And 3+3? [/INST] Six. </s>"),
    "llama3": (
        "<|begin_of_text|>"
        + (_LLAMA3 % "system" + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\nBe brief.<|eot_id|>")
        + (_LLAMA3 % "user" + "2+2?<|eot_id|>" + _LLAMA3 % "assistant" + "Four.<|eot_id|>")
        + (_LLAMA3 % "user" + "And 3+3?<|eot_id|>" + _LLAMA3 % "assistant" + "Six.<|eot_id|>")
    ),
    "mistral_v02": "<s> [INST] Be brief.\n\n2+2? [/INST] Four.</s> [INST]  And 3+3?  [/INST] Six.\n</s>",
    "mistral_v03": "<s>[INST] 2+2?[/INST] Four.</s>[INST]  And 3+3? [/INST] Six.</s>",
    "mistral_v7": ("<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]2+2?[/INST]Four.</s>[INST] And 3+3? [/INST]Six.\n</s>"),
    "zephyr": (
        "<|system|>\nBe brief.</s>\n<|user|>\n2+2?</s>\n<|assistant|>\nFour.</s>\n"
        "<|user|>\n And 3+3? </s>\n<|assistant|>\nSix.\n</s>\n"
    ),
    "vicuna": "<s>Be brief. USER: 2+2? ASSISTANT: Four.</s>USER:  And 3+3?  ASSISTANT: Six.\n</s>",
    "phi3": (
        "<|system|>\nBe brief.<|end|>\n<|user|>\n2+2?<|end|>\n<|assistant|>\nFour.<|end|>\n"
        "<|user|>\n And 3+3? <|end|>\n<|assistant|>\nSix.\n<|end|>\n<|endoftext|>"
    ),
    "gemma2": (
        "<bos><start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\nFour.<end_of_turn>\n"
        "<start_of_turn>user\nAnd 3+3?<end_of_turn>\n<start_of_turn>model\nSix.<end_of_turn>\n"
    ),
    "gemma3": (
        "<bos><start_of_turn>user\nBe brief.\n\n2+2?<end_of_turn>\n<start_of_turn>model\nFour.<end_of_turn>\n"
        "<start_of_turn>user\nAnd 3+3?<end_of_turn>\n<start_of_turn>model\nSix.<end_of_turn>\n"
    ),
    "deepseek_v3": _DEEPSEEK,
    "deepseek_r1": _DEEPSEEK,
    "deepseek_r1_think": _DEEPSEEK,
    "harmony": (
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
        "Current date: 2025-08-05\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be "
        "included for every message.<|end|><|start|>developer<|message|># Instructions\n\nBe brief.\n\n<|end|>"
        "<|start|>user<|message|>2+2?<|end|><|start|>assistant<|channel|>final<|message|>Four.<|end|>"
        "<|start|>user<|message|> And 3+3? <|end|><|start|>assistant<|channel|>final<|message|>Six.\n<|return|>"
    ),
    "command_r": (
        "<BOS_TOKEN>"
        + (_COMMAND % ("SYSTEM", "Be brief.") + _COMMAND % ("USER", "2+2?") + _COMMAND % ("CHATBOT", "Four."))
        + (_COMMAND % ("USER", "And 3+3?") + _COMMAND % ("CHATBOT", "Six."))
    ),
}

# Family → how the prompt of the second answer ends, from the second question on.
PROMPT_END = {
    "smollm2": "user\n And 3+3? <|im_end|>\n<|im_start|>assistant\n",
    "generation": "user\n And 3+3? <|im_end|>\n<|im_start|>assistant\n",
    "qwen25": "user\n And 3+3? <|im_end|>\n<|im_start|>assistant\n",
    "qwen3": "user\n And 3+3? <|im_end|>\n<|im_start|>assistant\n",
    "phi4": "user<|im_sep|> And 3+3? <|im_end|><|im_start|>assistant<|im_sep|>",
    "llama2": "<s>[INST] And 3+3? [/INST]",
    "llama3": "<|end_header_id|>\n\nAnd 3+3?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral_v02": "</s> [INST]  And 3+3?  [/INST]",
    "mistral_v03": "</s>[INST] Be brief.\n\n And 3+3? [/INST]",
    "mistral_v7": "</s>[INST] And 3+3? [/INST]",
    "zephyr": "<|user|>\n And 3+3? </s>\n<|assistant|>\n",
    "vicuna": "</s>USER:  And 3+3?  ASSISTANT:",
    "phi3": "<|user|>\n And 3+3? <|end|>\n<|assistant|>\n",
    "gemma2": "<start_of_turn>user\nAnd 3+3?<end_of_turn>\n<start_of_turn>model\n",
    "gemma3": "<start_of_turn>user\nAnd 3+3?<end_of_turn>\n<start_of_turn>model\n",
    "deepseek_v3": "<｜User｜> And 3+3? <｜Assistant｜>",
    "deepseek_r1": "<｜User｜> And 3+3? <｜Assistant｜>",
    "deepseek_r1_think": "<｜User｜> And 3+3? <｜Assistant｜><think>\n",
    "harmony": "<|start|>user<|message|> And 3+3? <|end|><|start|>assistant",
    "command_r": "<|USER_TOKEN|>And 3+3?<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
}
