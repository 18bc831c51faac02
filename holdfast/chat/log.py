"""One conversation's log, as far as a terminal has shown it."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Log:
    conversation_id: str
    last_seq: int = 0

    def subscription(self) -> dict[str, object]:
        """For all that has not been shown yet."""
        return {"conversationId": self.conversation_id, "afterSeq": self.last_seq}

    def is_new(self, event: str, payload: dict[str, Any]) -> bool:
        """Whether this belongs to the conversation and has not been shown; from now on it has."""
        if payload["conversationId"] != self.conversation_id:
            return False
        seq = payload["message"]["seq"] if event == "chat:message" else payload["seq"]
        if seq <= self.last_seq:
            return False
        self.last_seq = seq
        return True
