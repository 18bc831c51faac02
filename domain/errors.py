"""Every failure that a caller can cause or must be told about, one class a fact.

    HoldfastError
      InvalidRequest            it is well formed, but makes no sense
        NothingToUpdate
        AgentNotNamed
        UnknownAgent
        UnknownCustomer
        NotAssigned
        NotAccepted
      NotAuthenticated
        TokenMissing
      InsufficientPermissions
      NotFound
        TicketNotFound
        CustomerNotFound
        ConversationNotFound
        UserNotFound
        ContactNotFound
        ArticleNotFound
      Gone                      it was there, and is over for good
        ConversationIsClosed
      Conflict                  it makes sense, but not now
        IllegalTransition
        TicketIsClosed
        ConversationTaken
        AgentIsFull
        AgentIsOffDuty
        WrongTeam
        NoAssistant
        ArticleChanged
        IdempotencyKeyReused
      TooManyRequests
      PayloadTooLarge
      Unavailable               a part that the call needs is down; try again
        EngineUnavailable
        DatabaseUnavailable
      NewerDatabase

Each edge (HTTP, socket, stanza, workflow) translates them once, into its own words.
The text of an error is a sentence that says what to do. It never quotes a message of a
customer: Temporal keeps failure messages as plain text.
"""

from typing import ClassVar


class HoldfastError(Exception):
    """Base of all. `code` is for programs, `str(error)` for people."""

    code: ClassVar[str] = "error"
    sentence: ClassVar[str] = "Something went wrong."

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class InvalidRequest(HoldfastError):
    code = "invalid"
    sentence = "The request makes no sense."


class TooLongToKeep(InvalidRequest):
    code = "too_large"
    sentence = "A name or an id in the request is longer than can be kept. Make it shorter."


class NothingToUpdate(InvalidRequest):
    code = "nothing_to_update"
    sentence = "No updates provided"


class AgentNotNamed(InvalidRequest):
    sentence = "Say in agentId for which agent you call."


class UnknownAgent(InvalidRequest):
    code = "unknown_agent"
    sentence = (
        "There is no such agent. An agent exists from its first call, or by `holdfast agent add`."
    )


class UnknownCustomer(InvalidRequest):
    code = "unknown_customer"
    sentence = "There is no customer with this internal_id. Leave it empty to make a new one."


class NotAssigned(InvalidRequest):
    code = "not_assigned"
    sentence = "Only the agent who has accepted this conversation may do this. Accept it first."


class NotAccepted(InvalidRequest):
    code = "not_accepted"
    sentence = "The conversation waits in the queue: nobody has accepted it."


class NotAuthenticated(HoldfastError):
    code = "unauthorized"
    sentence = "Invalid authentication token"


class TokenMissing(NotAuthenticated):
    """None was sent; where there was one that is no good, it is NotAuthenticated."""


class InsufficientPermissions(HoldfastError):
    code = "forbidden"
    sentence = "Insufficient permissions"


class NotFound(HoldfastError):
    code = "not_found"
    sentence = "Not found"


class TicketNotFound(NotFound):
    sentence = "Ticket not found"


class CustomerNotFound(NotFound):
    sentence = "Customer not found"


class ConversationNotFound(NotFound):
    sentence = "Conversation not found"


class ArticleNotFound(NotFound):
    sentence = "Article not found"


class UserNotFound(NotFound):
    sentence = "User not found: a colleague exists from the first call, or by `holdfast agent add`."


class ContactNotFound(NotFound):
    sentence = "There is no such contact."


class Gone(HoldfastError):
    code = "gone"
    sentence = "This is over. Start anew."


class ConversationIsClosed(Gone):
    sentence = "The conversation is closed. Start a new one to go on; its history stays readable."


class Conflict(HoldfastError):
    code = "conflict"
    sentence = "This is not possible now."


class IllegalTransition(Conflict):
    code = "illegal_transition"
    sentence = "The ticket cannot change in this way."


class TicketIsClosed(Conflict):
    code = "closed"
    sentence = "The ticket is closed, which is final. Open a new ticket to go on."


class ConversationTaken(Conflict):
    sentence = "Conversation is no longer available to accept."


class AgentIsFull(Conflict):
    code = "capacity"
    sentence = "The agent has as many conversations as they can take. Close or release one first."


class AgentIsOffDuty(Conflict):
    code = "off_duty"
    sentence = "The agent has just signed off. Give the conversation to another."


class WrongTeam(Conflict):
    code = "wrong_team"
    sentence = "The conversation needs an agent with other tags. Have it transferred instead."


class NoAssistant(Conflict):
    code = "no_assistant"
    sentence = "There is no assistant here. Keep waiting, or leave the conversation as a ticket."


class ArticleChanged(Conflict):
    code = "article_changed"
    sentence = "Somebody has changed the article since you read it. Read it again, then change it."


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key was used with another request. Use a new key."


class TooManyRequests(HoldfastError):
    """`retry_after`: seconds until the next request is welcome."""

    code = "too_many_requests"
    sentence = "Too many requests. Wait and try again."

    def __init__(self, retry_after: int, sentence: str | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class PayloadTooLarge(HoldfastError):
    code = "too_large"
    sentence = "The request is too large."


class Unavailable(HoldfastError):
    """`retry_after`: seconds after which it is worth trying again."""

    code = "unavailable"
    sentence = "A part of the service is not reachable. Try again shortly."
    retry_after: ClassVar[int] = 2


class EngineUnavailable(Unavailable):
    sentence = (
        "The workflow engine does not answer. It is not certain whether this was done: "
        "look, or try again."
    )


class DatabaseUnavailable(Unavailable):
    sentence = (
        "The database does not answer. It is not certain whether this was stored: send it again."
    )


class NewerDatabase(HoldfastError):
    code = "newer_database"
    sentence = (
        "The database was used by a newer Holdfast. Start that version again, "
        "or point DATABASE_URL (or HOLDFAST_DATA) at another database."
    )
