"""What can go wrong between us and an XMPP server, one class a fact.

StreamError
  InvalidAccount        the settings cannot be right
  LoginRefused          a person has to act: trying again does not help
  ServerUnreachable     no stream came about; try again, with pauses
  StreamLost            the stream is over, whatever was waited for; connect again
    StreamConflict      another client has bound our resource, and with it our account
  StanzaTooLarge        the server would end the stream for it; it can never be sent
  NoAnswer              a request was not answered in time
  RequestRefused        the server answered a request with an error
  ArchiveUnavailable    the archive cannot be read now
    UnknownCursor       the archive has no message of that id (any more)
"""

from domain.errors import HoldfastError


class StreamError(HoldfastError):
    code = "xmpp"
    sentence = "The XMPP server cannot be used just now."


class InvalidAccount(StreamError):
    code = "xmpp_invalid_account"
    sentence = "The XMPP account is not set up rightly."


class LoginRefused(StreamError):
    code = "xmpp_login_refused"
    sentence = "The XMPP server refuses the login. Check XMPP_USERNAME and XMPP_PASSWORD."


class ServerUnreachable(StreamError):
    code = "xmpp_unreachable"
    sentence = "The XMPP server cannot be reached. Check XMPP_HOST and XMPP_PORT."


class StreamLost(StreamError):
    """What was being sent may have arrived or not: ask the archive."""

    code = "xmpp_stream_lost"
    sentence = "The XMPP stream has ended."


class StreamConflict(StreamLost):
    code = "xmpp_conflict"
    sentence = (
        "Another client has logged in to the XMPP account with our resource. "
        "Let only Holdfast use it, or set XMPP_RESOURCE."
    )


class StanzaTooLarge(StreamError):
    code = "xmpp_too_large"
    sentence = "The message is larger than the XMPP server takes. Shorten it."


class NoAnswer(StreamError):
    code = "xmpp_no_answer"
    sentence = "The XMPP server has not answered in time."


class RequestRefused(StreamError):
    """`condition`: the error's name (RFC 6120, 8.3.3), like `item-not-found`. `passes`: the server
    says to wait and ask again."""

    code = "xmpp_request_refused"

    def __init__(self, condition: str, *, passes: bool = False) -> None:
        super().__init__(f"The XMPP server answers: {condition}.")
        self.condition = condition
        self.passes = passes


class ArchiveUnavailable(StreamError):
    code = "xmpp_archive_unavailable"
    sentence = "The XMPP server's message archive cannot be read just now."


class UnknownCursor(ArchiveUnavailable):
    code = "xmpp_unknown_cursor"
    sentence = "The XMPP server's archive does not have the message after which to read on."
