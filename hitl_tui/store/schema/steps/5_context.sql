-- What runs are given beside their input, named sets of it, and what of a project's langgraph.json has no effect.
ALTER TABLE projects ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
ALTER TABLE agents ADD COLUMN context_schema TEXT;
ALTER TABLE runs ADD COLUMN context TEXT;  -- NULL where none was given
ALTER TABLE runs ADD COLUMN config TEXT;  -- NULL where none was given
CREATE TABLE assistants (
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    context TEXT,
    config TEXT,
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (agent, name)
) WITHOUT ROWID;
