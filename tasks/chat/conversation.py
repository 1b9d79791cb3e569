"""A conversation on its way to a label row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.chat.render import Tools, plain_messages


class RowRefusedError(Exception):
    """A row that cannot be rendered rightly: a stable reason code and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Conversation:
    """The messages of a chat row, or some of them.

    Attributes:
        id: of the label row that they become.
        messages: as the row has them.
        plain: as the template gets them, without our own marks.
        places: the index of each in the chat row.
        wanted: indices, in `messages`, of the assistant turns that are trained.
    """

    id: str
    messages: Sequence[Mapping[str, Any]]
    plain: Sequence[Mapping[str, Any]]
    tools: Tools
    places: Sequence[int]
    wanted: Sequence[int]

    @classmethod
    def of(cls, row: Mapping[str, Any], mask: str) -> Conversation:
        """A chat row; under the mask ``last`` only its last assistant turn is wanted. A mark ``train: false`` always holds."""
        messages = row["messages"]
        turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
        if mask == "last":
            turns = turns[-1:]
        wanted = [index for index in turns if messages[index].get("train") is not False]
        return cls(str(row["id"]), messages, plain_messages(messages), row.get("tools"), range(len(messages)), wanted)

    def up_to(self, turn: int) -> Conversation:
        """The conversation that ends with the assistant turn `turn`, which alone is wanted: a row of its own."""
        kept = slice(0, turn + 1)
        return replace(
            self,
            id=f"{self.id}#{self.places[turn]}",
            messages=self.messages[kept],
            plain=self.plain[kept],
            places=self.places[kept],
            wanted=[turn],
        )

    def without_start(self, first: int) -> Conversation:
        """The conversation from message `first` on, after the system message where there is one."""
        kept = [*range(self._system), *range(first, len(self.messages))]
        left_out = first - self._system
        return replace(
            self,
            messages=[self.messages[index] for index in kept],
            plain=[self.plain[index] for index in kept],
            places=[self.places[index] for index in kept],
            wanted=[index - left_out for index in self.wanted if index >= first],
        )

    def later_starts(self) -> list[int]:
        """Where a shorter conversation could begin: each user turn that opens an exchange, up to the last wanted turn."""
        last = self.wanted[-1] if self.wanted else len(self.messages)
        roles = [message["role"] for message in self.messages]
        return [at for at in range(self._system + 1, last) if roles[at] == "user" and roles[at - 1] != "user"]

    @property
    def _system(self) -> int:
        return int(self.messages[0]["role"] == "system")
