"""The database: the only room that knows tables, SQL and how positions are packed."""
