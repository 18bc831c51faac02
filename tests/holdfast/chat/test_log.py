from typing import Any

from holdfast.chat.log import Log


def message(seq: int, conversation_id: str = "c") -> tuple[str, dict[str, Any]]:
    return "chat:message", {"conversationId": conversation_id, "message": {"seq": seq}}


def event(seq: int) -> tuple[str, dict[str, Any]]:
    return "system:event", {"conversationId": "c", "seq": seq}


def test_resumes_after_what_was_shown() -> None:
    log = Log("c")
    assert log.subscription() == {"conversationId": "c", "afterSeq": 0}
    assert log.is_new(*event(1))
    assert log.is_new(*message(2))
    assert log.subscription() == {"conversationId": "c", "afterSeq": 2}


def test_nothing_is_new_twice() -> None:
    log = Log("c")
    for told in (event(1), message(2)):
        assert log.is_new(*told)
    for told in (event(1), message(2)):
        assert not log.is_new(*told)


def test_other_conversations_are_not_its_own() -> None:
    log = Log("c")
    assert not log.is_new(*message(5, "another"))
    assert log.last_seq == 0
