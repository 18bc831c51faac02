"""Every failure that a caller can cause or must be told about, one class a fact.

    HoldfastError
      InvalidRequest            it is well formed, but makes no sense
        NothingToUpdate
        AgentNotNamed
        UnknownAgent
        UnknownCustomer
        UnknownAttachment
        NotAssigned
        NotAccepted
        UnsafeWebhook
      NotAuthenticated
        TokenMissing
      InsufficientPermissions
        NotSigned
      NotFound
        TicketNotFound
        CustomerNotFound
        ConversationNotFound
        UserNotFound
        ContactNotFound
        IdentityNotFound
        CustomerRequestNotFound
        ArticleNotFound
        AttachmentNotFound
        MessageNotFound
        ChannelNotFound
        WebhookNotFound
        WebhookEventNotFound
      Gone                      it was there, and is over for good
        ConversationIsClosed
        AttachmentIsRefused
      Conflict                  it makes sense, but not now
        IllegalTransition
        TicketIsClosed
        ConversationTaken
        AgentIsFull
        AgentIsOffDuty
        WrongTeam
        NoAssistant
        ArticleChanged
        TooManyWebhooks
        WebhookIsDisabled
        WebhookEventIsPending
        CustomerIsBusy
        CustomerIsMerged
        CustomerIsErased
        SameCustomer
        EmailTaken
        IdentityTaken
        NotUndoable
        ExportNotReady
        AttachmentNotReady
        IdempotencyKeyReused
      TooManyRequests
      PayloadTooLarge
      Unavailable               a part that the call needs is down; try again
        EngineUnavailable
        DatabaseUnavailable
        FilesUnavailable
        NotConfigured           until somebody has set it up
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


class UnknownAttachment(InvalidRequest):
    code = "unknown_attachment"
    sentence = "There is no such file. Upload it first, to /api/attachments, with this same token."


class NotAssigned(InvalidRequest):
    code = "not_assigned"
    sentence = "Only the agent who has accepted this conversation may do this. Accept it first."


class NotAccepted(InvalidRequest):
    code = "not_accepted"
    sentence = "The conversation waits in the queue: nobody has accepted it."


class UnsafeWebhook(InvalidRequest):
    code = "unsafe_webhook"
    sentence = (
        "This url is not called. Give a public https:// address, or have the operator put its host "
        "into WEBHOOK_ALLOWED_HOSTS."
    )


class NotAuthenticated(HoldfastError):
    code = "unauthorized"
    sentence = "Invalid authentication token"


class TokenMissing(NotAuthenticated):
    """None was sent; where there was one that is no good, it is NotAuthenticated."""


class InsufficientPermissions(HoldfastError):
    code = "forbidden"
    sentence = "Insufficient permissions"


class NotSigned(InsufficientPermissions):
    code = "not_signed"
    sentence = "The signature is missing, or is not that of this body with our secret."


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


class MessageNotFound(NotFound):
    sentence = "The ticket has no such reply on its way to the customer."


class ChannelNotFound(NotFound):
    sentence = "There is no such channel. `GET /api/channels` has those that are set up."


class AttachmentNotFound(NotFound):
    sentence = "Attachment not found"


class UserNotFound(NotFound):
    sentence = "User not found: a colleague exists from the first call, or by `holdfast agent add`."


class ContactNotFound(NotFound):
    sentence = "There is no such contact."


class IdentityNotFound(NotFound):
    sentence = "The customer is not known by this name on this channel."


class CustomerRequestNotFound(NotFound):
    sentence = "Request not found"


class WebhookNotFound(NotFound):
    sentence = "There is no such webhook subscription."


class WebhookEventNotFound(NotFound):
    sentence = "There is no such event. Events are kept for a week after they were delivered."


class Gone(HoldfastError):
    code = "gone"
    sentence = "This is over. Start anew."


class ConversationIsClosed(Gone):
    sentence = "The conversation is closed. Start a new one to go on; its history stays readable."


class AttachmentIsRefused(Gone):
    code = "refused"
    sentence = "The file could not be fetched from where it was sent."


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


class AttachmentNotReady(Conflict):
    code = "not_fetched"
    sentence = "The file is not fetched yet from where it was sent. Try again shortly."


class CustomerIsBusy(Conflict):
    code = "customer_busy"
    sentence = "The customer is being merged or erased. Wait until that is done."


class CustomerIsMerged(Conflict):
    code = "customer_merged"
    sentence = "The customer was merged into another. Name that one, see `merged_into`."


class CustomerIsErased(Conflict):
    code = "customer_erased"
    sentence = "The customer was erased. Nothing is left to be changed."


class SameCustomer(Conflict):
    code = "same_customer"
    sentence = "These are one customer already."


class EmailTaken(Conflict):
    code = "email_taken"
    sentence = "Another customer has this e-mail address. Should they be the same, merge them."


class IdentityTaken(Conflict):
    code = "identity_taken"
    sentence = "Another customer is known by this name. Should they be the same, merge them."


class NotUndoable(Conflict):
    code = "not_undoable"
    sentence = (
        "This cannot be undone: only a merge that is done can, within 30 days, and as long as "
        "neither customer was merged further or erased."
    )


class ExportNotReady(Conflict):
    code = "export_not_ready"
    sentence = "There is no file to be had: the export is not done yet, or was too long ago."


class TooManyWebhooks(Conflict):
    code = "too_many_webhooks"
    sentence = "There are as many webhook subscriptions as there can be. Delete one first."


class WebhookIsDisabled(Conflict):
    code = "webhook_disabled"
    sentence = "The webhook subscription is disabled. Set active to true first."


class WebhookEventIsPending(Conflict):
    code = "webhook_event_pending"
    sentence = "The event is on its way already, or will be tried again by itself."


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


class NotConfigured(Unavailable):
    """`retry_after` is for platforms, which go on trying for hours or days."""

    code = "not_configured"
    sentence = "This is not set up here."
    retry_after = 60


class FilesUnavailable(Unavailable):
    sentence = "The place where files are kept does not answer. Try again shortly."


class NewerDatabase(HoldfastError):
    code = "newer_database"
    sentence = (
        "The database was used by a newer Holdfast. Start that version again, "
        "or point DATABASE_URL (or HOLDFAST_DATA) at another database."
    )
