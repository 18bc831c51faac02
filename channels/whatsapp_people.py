"""Who writes by WhatsApp: by phone number, and people who hide theirs by an id of Meta's."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pydantic import JsonValue

from channels.heard import Sender
from channels.untrusted import Object, at, name, objects, short

_PHONE = re.compile(r"\+?([0-9]{3,20})", re.ASCII)
_LONGEST = 200
_PARENT = ("parent_user_id", "from_parent_user_id")
_USER = ("user_id", "from_user_id")
_PHONES = ("from", "wa_id")


def address_of(value: JsonValue) -> str | None:
    """`+15550100` for a phone number, with the plus or without it; any other id as it is."""
    spelled = name(value, _LONGEST)
    phone = _PHONE.fullmatch(spelled) if spelled else None
    return f"+{phone.group(1)}" if phone else spelled


@dataclass(frozen=True, slots=True)
class People:
    """The `contacts` of one value, by every id that they have."""

    contacts: dict[str, Object]

    @classmethod
    def of(cls, value: JsonValue) -> Self:
        contacts = objects(at(value, "contacts"))
        return cls({each: contact for contact in contacts for each in _identities(contact)})

    def sender(self, message: Object) -> Sender | None:
        """None where nothing says who it is. Meta's ids are surer than the number, which people
        give up and others get; replies go to the number all the same while there is one."""
        contact = self._contact(message)
        identities = _identities(message, contact)
        if not identities:
            return None
        ways = [*_phones(message, contact), *_ids((message, contact), _USER), *identities]
        return Sender(
            address=ways[0],
            identities=identities,
            name=short(at(contact, "profile", "name")) or None,
        )

    def _contact(self, message: Object) -> Object:
        own = _identities(message)
        if not own and len(self.contacts) == 1:
            return next(iter(self.contacts.values()))
        return next((self.contacts[each] for each in own if each in self.contacts), {})


def _identities(*people: Object) -> tuple[str, ...]:
    """All names of a person, of whom several descriptions are there; the surest first."""
    ids = (*_ids(people, _PARENT), *_ids(people, _USER), *_spelled_as_phones(people))
    return tuple(dict.fromkeys(ids))


def _ids(people: Iterable[Object], keys: Iterable[str]) -> list[str]:
    found = (name(person.get(key), _LONGEST) for person in people for key in keys)
    return [each for each in found if each]


def _spelled_as_phones(people: Iterable[Object]) -> list[str]:
    found = (address_of(person.get(key)) for person in people for key in _PHONES)
    return [each for each in found if each]


def _phones(*people: Object) -> list[str]:
    return [each for each in _spelled_as_phones(people) if _PHONE.fullmatch(each)]
