"""What a command needs in order to reach the stack: its settings, or those of the running one."""

import os

from pydantic import SecretStr

from holdfast.errors import MissingSecret, NotRunning
from holdfast.folder import DataFolder
from holdfast.settings import Settings
from holdfast.stack import Stack, running_stack


def reach_stack(settings: Settings) -> Settings:
    """Fill in what the settings leave open from the `holdfast up` that runs on HOLDFAST_DATA.

    The result has a `database_url`; TEMPORAL_ADDRESS is put into the environment, where the SDK
    looks for it. Raises NotRunning.
    """
    folder = DataFolder(settings.data)
    stack = running_stack(folder)
    if settings.database_url is not None:
        # A stack with a database of its own is another one, and so is its Temporal.
        if stack and stack.database_url is None:
            _use_temporal(stack)
        return settings
    if stack is None:
        raise NotRunning(
            f"No Holdfast is running on {folder.path}, and DATABASE_URL is not set. "
            "Start `holdfast up` in another terminal, or set DATABASE_URL."
        )
    if stack.database_url is None:
        raise NotRunning(
            f"The Holdfast on {folder.path} has a database of its own settings. "
            "Set DATABASE_URL for this command too."
        )
    _use_temporal(stack)
    return settings.model_copy(
        update={
            "database_url": SecretStr(stack.database_url),
            "jwt_secret": settings.jwt_secret or _kept_secret(folder),
        }
    )


def signing_secret(settings: Settings) -> SecretStr:
    """JWT_SECRET, or the one that the embedded stack keeps. Raises MissingSecret."""
    secret = settings.jwt_secret
    if secret is None and settings.database_url is None:
        secret = _kept_secret(DataFolder(settings.data))
    if secret is None:
        raise MissingSecret(
            "JWT_SECRET is not set. Set it to 32 random bytes or more, the same for every process: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return secret


def _use_temporal(stack: Stack) -> None:
    if stack.temporal_address is not None:
        os.environ.setdefault("TEMPORAL_ADDRESS", stack.temporal_address)


def _kept_secret(folder: DataFolder) -> SecretStr | None:
    kept = folder.jwt_secret()
    return SecretStr(kept) if kept else None
