"""Writes `docs/settings.md`: `python -m holdfast.settings_page > docs/settings.md`."""

import json
import sys
from datetime import timedelta
from enum import Enum

from pydantic import SecretStr

from domain.assistance import ASSISTED
from holdfast.channel_settings import ChannelSettings
from holdfast.durations import format_duration
from holdfast.settings import Settings, variable

_HEAD = """\
# Settings

From the environment, or from a file `.env` in the working folder; the environment wins.
Spans of time are seconds, or like `90s`, `15m`, `24h`, `7d`.
`holdfast doctor` says which of them are wrong.

| variable | default | meaning |
| --- | --- | --- |
"""

_TAIL = """
## Temporal's own

Holdfast reads these with Temporal's SDK, as every Temporal program does; with an address (or a
profile in Temporal's configuration file) no server is embedded.

| variable | meaning |
| --- | --- |
| `TEMPORAL_ADDRESS` | `host:port` of the cluster, or of Temporal Cloud |
| `TEMPORAL_NAMESPACE` | the namespace, `default` when not set |
| `TEMPORAL_API_KEY` | the key for Temporal Cloud; switches TLS on |
| `TEMPORAL_TLS`, `TEMPORAL_TLS_CLIENT_CERT_PATH`, `TEMPORAL_TLS_CLIENT_KEY_PATH`, \
`TEMPORAL_TLS_SERVER_CA_CERT_PATH`, `TEMPORAL_TLS_SERVER_NAME` | mutual TLS |
| `TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE` | which profile of which file |
"""


def settings_page() -> str:
    # Those of the base class come first in it.
    fields = sorted(
        Settings.model_fields.items(), key=lambda each: each[0] in ChannelSettings.model_fields
    )
    rows = (
        f"| `{variable(name)}` | {_spelled(field.default)} | {field.description} |\n"
        for name, field in fields
    )
    return _HEAD + "".join(rows) + _TAIL


def _spelled(default: object) -> str:
    match default:
        case None | SecretStr():
            return ""
        case timedelta():
            return f"`{format_duration(default)}`"
        case frozenset() if not default:
            return "none"
        case frozenset() if default == frozenset(ASSISTED):
            return "`all`"
        case tuple():
            return f"`{','.join(map(str, default))}`"
        case dict():
            return f"`{json.dumps(default)}`"
        case Enum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
