CREATE TABLE lessons (  -- drawn from people's rejections and corrections of a tool
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    topic TEXT NOT NULL,  -- what its examples have in common, e.g. `edit:subject` or `reject:too long`
    gist TEXT NOT NULL,  -- the rules' finding without numbers: while it stays the same, another wording of it stays too
    text TEXT NOT NULL,  -- as the agent reads it
    wording TEXT NOT NULL DEFAULT 'rules',  -- `rules`, the model's name, or `person`
    asked TEXT NOT NULL DEFAULT '',  -- the model that was asked for a wording and gave none that could be used
    examples TEXT NOT NULL DEFAULT '[]',  -- decisions, the oldest first
    state TEXT NOT NULL DEFAULT 'proposed',  -- or `accepted`, `dropped`
    made_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    actor TEXT NOT NULL DEFAULT '',
    decided_at REAL,
    decided_after INTEGER,  -- the last decision at that time
    rev INTEGER NOT NULL DEFAULT 0  -- grows with every change of any lesson
);
CREATE UNIQUE INDEX lessons_topic ON lessons (agent, tool, topic);
CREATE INDEX lessons_rev ON lessons (rev);

CREATE TABLE lessons_due (  -- tools with rejections or corrections made or undone since lessons were drawn from them
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    news INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (agent, tool)
) WITHOUT ROWID;
