"""What can stand in the way of starting, one class a fact.

    HoldfastError                 (domain/errors.py)
      SetupError
        InvalidSetting            a setting cannot be read
        MissingSecret             JWT_SECRET is needed and not there
        PortTaken
        AlreadyRunning            another `holdfast up` has the data folder
        NotRunning                a command needs a running stack and finds none
        NewerData                 an embedded server's files come from a newer version
        ServerDidNotStart         a child process ended, or was not ready in time
        BadArticle                a file cannot be taken into the knowledge base

Each sentence says what is wrong and what to do; the command line prints it without a traceback.
"""

from domain.errors import HoldfastError


class SetupError(HoldfastError):
    code = "setup"


class InvalidSetting(SetupError):
    pass


class MissingSecret(SetupError):
    pass


class PortTaken(SetupError):
    pass


class AlreadyRunning(SetupError):
    pass


class NotRunning(SetupError):
    pass


class NewerData(SetupError):
    pass


class ServerDidNotStart(SetupError):
    pass


class BadArticle(SetupError):
    pass
