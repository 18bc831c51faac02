"""What the assistant must not say, and what it may."""

import pytest

from assistant.honesty import claims_deed


@pytest.mark.parametrize(
    "text",
    [
        "I have cancelled your order.",
        "I've just refunded you.",
        "We have sent a new parcel.",
        "I will forward this to billing.",
        "I\N{RIGHT SINGLE QUOTATION MARK}ll cancel it for you.",
        "Your order has been cancelled.",
        "Your e-mail address has now been updated.",
        "I went ahead. I've gone ahead and reset your password.",
    ],
)
def test_deeds_are_noticed(text: str) -> None:
    assert claims_deed(text)


@pytest.mark.parametrize(
    "text",
    [
        "You can cancel your order in your account.",
        "Refunds are paid within five days.",
        "We refund the full price within 30 days.",
        "If you have changed your address, tell us.",
        "I am passing this on to a colleague, who will answer you here.",
        "Orders that have been shipped cannot be changed.",
    ],
)
def test_facts_are_not_taken_for_deeds(text: str) -> None:
    assert not claims_deed(text)
