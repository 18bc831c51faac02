"""What the errors of Meta's Graph API mean for a message, and what agents are told of them.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
https://developers.facebook.com/docs/messenger-platform/error-codes

The sentences are ours: what Meta writes into its own may quote the message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from pydantic import JsonValue

from channels.outlet import NotNow, Paused, Undeliverable
from channels.untrusted import Object, at

_LONGEST_PAUSE = timedelta(hours=1)
_SLOWEST = 6
"""4^6 seconds are more than that hour."""


class Fate(Enum):
    NEVER = auto()
    """It will not go out, however often it is tried."""
    AGAIN = auto()
    SLOWLY = auto()
    """Again, each time four times as late."""
    PAUSE = auto()
    """It is the channel's fault, and not the message's."""


@dataclass(frozen=True, slots=True)
class Meaning:
    fate: Fate
    sentence: str
    reason: str = "refused"
    """For programs, where it is final."""
    most_attempts: int | None = None
    """After so many it is final."""


Key = int | tuple[int, int]
"""A code, or one together with its sub-code."""


@dataclass(frozen=True, slots=True)
class Book:
    """What one platform means by its codes; what is not listed goes by the answer's status."""

    platform: str
    entries: Mapping[Key, Meaning]

    def meaning(self, code: int, subcode: int = 0) -> Meaning | None:
        return self.entries.get((code, subcode)) or self.entries.get(code)

    def sentence(self, code: int) -> str:
        """For agents, when a message has failed after it had been taken."""
        known = self.meaning(code)
        return known.sentence if known else f"{self.platform} reports error {code}."

    def failure(
        self, status: int, error: Object, retry_after: timedelta | None, attempts: int
    ) -> Undeliverable | NotNow | Paused:
        """What to make of an answer that has such an `error` in it."""
        code, subcode = integer(error.get("code")), integer(error.get("error_subcode"))
        known = self.meaning(code, subcode)
        if known is not None:
            return _failure(known, retry_after, attempts)
        sentence = self.sentence(code)
        if status >= 500 or status == 429 or error.get("is_transient") is True:
            return NotNow(sentence, retry_after)
        return Undeliverable("refused", sentence)


def integer(value: JsonValue) -> int:
    """A code; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def code_of(errors: JsonValue) -> int | None:
    """The first code in a list of errors, as webhooks tell them; None where there is none."""
    code = integer(at(errors, 0, "code"))
    return code or None


def _failure(
    known: Meaning, retry_after: timedelta | None, attempts: int
) -> Undeliverable | NotNow | Paused:
    worn_out = known.most_attempts is not None and attempts >= known.most_attempts
    match known.fate:
        case Fate.PAUSE:
            return Paused(known.sentence)
        case Fate.SLOWLY:
            return NotNow(known.sentence, _slower(attempts))
        case Fate.AGAIN if not worn_out:
            return NotNow(known.sentence, retry_after)
        case _:
            return Undeliverable(known.reason, known.sentence)


def _slower(attempts: int) -> timedelta:
    return min(timedelta(seconds=4 ** min(attempts, _SLOWEST)), _LONGEST_PAUSE)


def _never(sentence: str, reason: str = "refused") -> Meaning:
    return Meaning(Fate.NEVER, sentence, reason)


def _again(sentence: str) -> Meaning:
    return Meaning(Fate.AGAIN, sentence)


def _pause(sentence: str) -> Meaning:
    return Meaning(Fate.PAUSE, sentence)


_TOKEN = "Meta refuses our access token. Renew it."  # noqa: S105  a sentence
_PERMISSION = "Our app lacks a permission at Meta. Look at the app and its token."
_POLICY = "Meta has blocked our account for a while. Look into Meta's Business Manager."
_NO_ACCOUNT = "Meta does not know our account. Look at its id and at what the token is for."
_BUSY = "{} takes no more messages just now."
_TROUBLE = "{} has trouble of its own just now."
_PERMISSIONS: dict[Key, Meaning] = {code: _pause(_PERMISSION) for code in (3, 10, *range(200, 300))}

WHATSAPP_CLOSED = (
    "WhatsApp lets us answer within 24 hours of the customer's last message only. "
    "Reach them another way, or wait until they write."
)
MESSENGER_CLOSED = (
    "Messenger lets us answer within 24 hours of the customer's last message only, and people "
    "within 7 days. Reach them another way, or wait until they write."
)

WHATSAPP = Book(
    "WhatsApp",
    _PERMISSIONS
    | {code: _never("WhatsApp refuses the message's template.") for code in range(132_000, 133_000)}
    | {
        0: _pause(_TOKEN),
        190: _pause(_TOKEN),
        368: _pause(_POLICY),
        (100, 33): _pause(_NO_ACCOUNT),
        131_031: _pause("WhatsApp has locked our account. Look into Meta's Business Manager."),
        131_042: _pause("WhatsApp wants its bill paid. Look into Meta's Business Manager."),
        1: _again(_TROUBLE.format("WhatsApp")),
        2: _again(_TROUBLE.format("WhatsApp")),
        4: _again(_BUSY.format("WhatsApp")),
        80_007: _again(_BUSY.format("WhatsApp")),
        130_429: _again(_BUSY.format("WhatsApp")),
        131_000: _again(_TROUBLE.format("WhatsApp")),
        131_016: _again(_TROUBLE.format("WhatsApp")),
        131_056: Meaning(Fate.SLOWLY, "WhatsApp takes no more messages to this customer just now."),
        131_057: _again("WhatsApp does maintenance on our account just now."),
        100: _never("WhatsApp cannot make sense of the message."),
        130_472: _never("WhatsApp keeps this customer out of reach for an experiment of its own."),
        131_008: _never("WhatsApp misses something in the message."),
        131_009: _never("WhatsApp cannot make sense of something in the message."),
        131_026: _never("The customer cannot be reached by WhatsApp.", "unreachable"),
        131_030: _never("The number is not on the list of our test account.", "unreachable"),
        131_047: _never(WHATSAPP_CLOSED, "window_closed"),
        131_049: _never("WhatsApp holds the message back, as the customer gets too many."),
        131_050: _never("The customer wants no such messages from us.", "unreachable"),
        131_051: _never("WhatsApp does not take messages of this kind."),
        131_052: _never("WhatsApp could not pass the file on.", "file_refused"),
        131_053: _never("WhatsApp does not take this file.", "file_refused"),
        131_062: _never("The customer can be reached by phone number only.", "unreachable"),
    },
)

MESSENGER = Book(
    "Messenger",
    _PERMISSIONS
    | {
        190: _pause(_TOKEN),
        368: _pause(_POLICY),
        (100, 33): _pause(_NO_ACCOUNT),
        # Also what Messenger says of a customer who has blocked the page.
        2: Meaning(Fate.AGAIN, _TROUBLE.format("Messenger"), "unreachable", most_attempts=10),
        4: _again(_BUSY.format("Messenger")),
        613: _again(_BUSY.format("Messenger")),
        1_200: _again(_TROUBLE.format("Messenger")),
        (10, 2_018_278): _never(MESSENGER_CLOSED, "window_closed"),
        551: _never("The customer cannot be reached by Messenger just now.", "unreachable"),
        100: _never("Messenger cannot make sense of the message."),
        (100, 2_018_001): _never("Messenger does not know this customer.", "unreachable"),
        (100, 2_018_109): _never("The file is too large for Messenger.", "file_refused"),
        (200, 2_018_108): _never("The customer takes no messages from our page.", "unreachable"),
    },
)

_FILE_GONE = "WhatsApp does not have the file any more."
WHATSAPP_MEDIA = Book(
    "WhatsApp", {**WHATSAPP.entries, (100, 33): _never(_FILE_GONE, "file_missing")}
)
"""Where a file is asked for: it is the file that Meta does not know then, and not our account."""
