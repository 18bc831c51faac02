"""Whether it is Meta who calls."""

from pydantic import SecretStr

from channels.meta import challenge, sign, signature_holds

SECRET = SecretStr("app_secret")
BODY = (
    rb'{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"sender":{"id":"2"},'
    rb'"recipient":{"id":"1"},"timestamp":1,"message":{"mid":"m_1","text":"caf\u00e9"}}]}]}'
)
SIGNATURE = "sha256=9d4499d6b17a9697bdaae913adc760e087bdd6a14aa47973f7af6eb26718d3ef"


class TestSignature:
    def test_metas_own_holds(self) -> None:
        assert len(BODY) == 163
        assert signature_holds(SECRET, BODY, SIGNATURE)
        assert sign(SECRET, BODY) == SIGNATURE

    def test_each_byte_counts(self) -> None:
        assert not signature_holds(SECRET, BODY + b" ", SIGNATURE)
        assert not signature_holds(SECRET, BODY.replace(rb"\u00e9", "é".encode()), SIGNATURE)

    def test_the_secret_counts(self) -> None:
        assert not signature_holds(SecretStr("another"), BODY, SIGNATURE)

    def test_what_is_no_signature_does_not_hold(self) -> None:
        hexadecimal = SIGNATURE.removeprefix("sha256=")
        for header in (
            None,
            "",
            "sha256=",
            hexadecimal,
            f"sha1={hexadecimal}",
            f"sha256={hexadecimal.upper()}",
            f"{SIGNATURE} ",
            f"sha256={hexadecimal[:-1]}",
            "sha256=é",
            "\ud800",
        ):
            assert not signature_holds(SECRET, BODY, header)


class TestChallenge:
    def test_is_answered_to_who_knows_the_token(self) -> None:
        assert challenge("subscribe", "token", "12345", SecretStr("token")) == "12345"

    def test_is_answered_to_nobody_else(self) -> None:
        assert challenge("subscribe", "another", "12345", SecretStr("token")) is None
        assert challenge("subscribe", None, "12345", SecretStr("token")) is None
        assert challenge("subscribe", "\ud800", "12345", SecretStr("token")) is None
        assert challenge("unsubscribe", "token", "12345", SecretStr("token")) is None
        assert challenge(None, "token", "12345", SecretStr("token")) is None
        assert challenge("subscribe", "token", None, SecretStr("token")) is None
