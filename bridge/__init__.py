"""The XMPP bridge: people write to an account from any XMPP client, and are answered there."""
