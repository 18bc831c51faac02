"""The knowledge base: articles, what they were before, and their place among the meanings."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = """
CREATE TABLE articles (
    id uuid PRIMARY KEY,
    title text NOT NULL,
    body text NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    audience text NOT NULL,
    language text NOT NULL,
    version integer NOT NULL,
    slug text,
    updated_by text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- A name, because pg_upgrade refuses tables with a column of type regconfig.
    search_config text NOT NULL,
    search tsvector NOT NULL
);
CREATE UNIQUE INDEX articles_slug ON articles (slug) WHERE slug IS NOT NULL;
CREATE INDEX articles_newest ON articles (created_at DESC, id DESC);
CREATE INDEX articles_tags ON articles USING gin (tags);
-- None of audience or language: before the first ANALYZE it would be taken instead of this one.
-- Written seldom and read with every question: nothing may wait in a list to be merged.
CREATE INDEX articles_search ON articles USING gin (search) WITH (fastupdate = off);

CREATE TABLE article_versions (
    article_id uuid NOT NULL REFERENCES articles ON DELETE CASCADE,
    version integer NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    tags text[] NOT NULL,
    audience text NOT NULL,
    language text NOT NULL,
    updated_by text,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (article_id, version)
);

-- Every lexeme that an article has or had, to know misspelt words by.
CREATE TABLE article_lexemes (
    search_config text NOT NULL,
    lexeme text NOT NULL,
    PRIMARY KEY (search_config, lexeme)
);
CREATE INDEX article_lexemes_alike
    ON article_lexemes (search_config, left(lexeme, 1), length(lexeme));
"""

EMBEDDINGS = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        CREATE EXTENSION IF NOT EXISTS vector;
        CREATE TABLE article_embeddings (
            article_id uuid NOT NULL REFERENCES articles ON DELETE CASCADE,
            version integer NOT NULL,
            model text NOT NULL,
            embedding vector NOT NULL,
            PRIMARY KEY (article_id, model)
        );
        CREATE INDEX article_embeddings_model ON article_embeddings (model, article_id, version);
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE USING MESSAGE = 'articles will be found by their words alone: ' || SQLERRM;
END
$$
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
    op.get_bind().exec_driver_sql(EMBEDDINGS)


def downgrade() -> None:
    raise RuntimeError("articles would be lost; restore a backup instead")
