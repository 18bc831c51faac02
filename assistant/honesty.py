"""The assistant can look things up and talk; it can do nothing. It must not say that it did."""

import re

_DEEDS = (
    r"cancel(?:l?ed|ling)|refund(?:ed|ing)|book(?:ed|ing)|chang(?:ed|ing)|updat(?:ed|ing)|"
    r"reset(?:ting)?|delet(?:ed|ing)|remov(?:ed|ing)|order(?:ed|ing)|ship(?:ped|ping)|sent|"
    r"issu(?:ed|ing)|process(?:ed|ing)|initiat(?:ed|ing)|credit(?:ed|ing)|charg(?:ed|ing)|"
    r"upgrad(?:ed|ing)|activat(?:ed|ing)|deactivat(?:ed|ing)|unlock(?:ed|ing)|schedul(?:ed|ing)|"
    r"arrang(?:ed|ing)|appl(?:ied|ying)|extend(?:ed|ing)|approv(?:ed|ing)|fix(?:ed|ing)|"
    r"contact(?:ed|ing)|notif(?:ied|ying)|forward(?:ed|ing)|escalat(?:ed|ing)|submit(?:ted|ting)|"
    r"created|placed|confirmed|replaced"
)
_QUOTE = "['\N{RIGHT SINGLE QUOTATION MARK}]"
_CLAIM = re.compile(
    rf"\b(?:i|we)(?:{_QUOTE}ve|\ have|{_QUOTE}m|\ am|{_QUOTE}re|\ are)?"
    rf"(?:\ (?:just|now|already|also|successfully|gone\ ahead\ and))*\ (?:{_DEEDS})\b"
    rf"|\b(?:i|we)(?:{_QUOTE}ll|\ will)(?:\ (?:just|now|also|immediately))*\ "
    r"(?:cancel|refund|book|change|update|reset|delete|remove|order|ship|send|issue|process|credit|"
    r"arrange|fix|contact|call|forward|notify)\b"
    rf"|\byour\ [\w\ -]{{1,40}}\ (?:has|have)\ (?:now\ |just\ |already\ |successfully\ )?been\ "
    rf"(?:{_DEEDS})\b",
    re.IGNORECASE | re.VERBOSE,
)


def claims_deed(text: str) -> bool:
    """Whether a text says that its author has done, does or will do something for the customer."""
    return _CLAIM.search(text) is not None
