"""Articles, written straight into the knowledge base."""

from domain.knowledge import Article, Audience, Writing
from store import articles
from store.database import Database


async def write_article(
    database: Database,
    title: str,
    body: str = "Nothing more to say.",
    *tags: str,
    audience: Audience = Audience.PUBLIC,
    language: str = "en",
) -> Article:
    async with database.begin() as session:
        return await articles.create(session, Writing(title, body, tags, audience, language))
