CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    seen_at REAL NOT NULL
);

CREATE TABLE agents (
    project INTEGER NOT NULL REFERENCES projects,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    input_schema TEXT,
    takes_text INTEGER NOT NULL,
    state_schema TEXT,  -- JSON Schema of the graph's state
    tools TEXT NOT NULL DEFAULT '{}',  -- JSON Schemas of arguments, by tool
    error TEXT NOT NULL,
    traceback TEXT NOT NULL,
    PRIMARY KEY (project, name)
) WITHOUT ROWID;

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started REAL NOT NULL,
    concurrency INTEGER NOT NULL,
    beat_at REAL NOT NULL
);
