"""The database that the settings name."""

from holdfast.settings import Settings
from store.database import Database


def open_database(settings: Settings) -> Database:
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set; the command line sees to that")
    return Database(settings.database_url.get_secret_value(), settings.database_pool_size)
