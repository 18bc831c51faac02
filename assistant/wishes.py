"""What a customer's message asks for besides an answer, told by its words alone."""

import re
from collections.abc import Iterable

_PERSON = (
    r"human(?:\ being)?|(?:real\ |actual\ |live\ )?(?:person|people)|agent|representative|"
    r"(?:support|customer\ service)\ (?:rep|agent|team|staff)|operator|somebody\ real|"
    r"someone\ real|colleague|manager|supervisor|staff\ member"
)
_WANTS_PERSON = re.compile(
    rf"""
    \b(?:talk|speak|chat|connect\ me|put\ me\ through|transfer\ me|get\ me|give\ me|pass\ me|
        hand\ me(?:\ over)?|escalate|want|need|prefer|like|let\ me\ have|can\ i\ have|
        could\ i\ have|reach|contact)\b
    [^.?!\n]{{0,40}}?\b(?:{_PERSON})\b
    | ^\W*(?:an?\ )?(?:{_PERSON})(?:\ please)?\W*$
    | (?:\b(?:not|no|stop)|n\Wt)\b[^.?!\n]{{0,20}}
        \b(?:bot|robot|machine|ai|chatbot|assistant)\b
    | \b(?:mit|einen?|einem)\b[^.?!\n]{{0,30}}
        \b(?:mensch(?:en)?|mitarbeiter(?:in)?|berater(?:in)?)\b
    | \b(?:parler|discuter)\b[^.?!\n]{{0,30}}\b(?:humain|personne|conseill(?:er|[èe]re)|agent)\b
    | \bhablar\b[^.?!\n]{{0,30}}\b(?:humano|persona|agente)\b
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_GREETING = re.compile(
    r"\W*(?:hi|hello|hey|hallo|good (?:morning|afternoon|evening)|greetings|bonjour|hola)"
    r"(?: (?:there|all|everyone|team))?\W*",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"\W*(?:(?:ok(?:ay)?|great|perfect|super)\W+)?"
    r"(?:thanks?(?: you)?|thx|cheers|danke|merci|gracias)"
    r"(?: (?:so|very) much| a lot)?(?:\W+(?:that (?:helped|helps|works|worked)|bye|all good))?\W*",
    re.IGNORECASE,
)


def wants_person(messages: Iterable[str]) -> bool:
    """Whether the customer asks for a person in any of these."""
    return any(_WANTS_PERSON.search(message) for message in messages)


def is_greeting(text: str) -> bool:
    """Nothing but that."""
    return len(text) < 100 and _GREETING.fullmatch(text) is not None


def is_thanks(text: str) -> bool:
    """Nothing but that."""
    return len(text) < 100 and _THANKS.fullmatch(text) is not None
