-- Grants: bounded permissions that people make from a call, so that calls like it run without asking them again.
CREATE TABLE grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    identified TEXT,  -- an `Identified`
    review INTEGER NOT NULL,  -- the call that it was made from
    slot INTEGER NOT NULL,
    decision INTEGER,  -- the decision in force on that call; NULL if there was none
    agent TEXT NOT NULL,
    run INTEGER,  -- the only run that it is for; NULL for all of the agent
    tool TEXT NOT NULL,
    digest TEXT,  -- of the only call that it is for; NULL for every call that `scope` holds for
    scope TEXT NOT NULL,  -- a condition as in a rule; empty for every call of the tool
    sources TEXT NOT NULL,  -- JSON, {argument: glob of the tools whose results it may come from}
    risk TEXT,  -- what the tool can do at worst, as the person says; NULL where the tool or a rule says it
    uses INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0,  -- calls that it let through
    for_s REAL NOT NULL,
    expires_at REAL NOT NULL,  -- moves with the clock
    expired INTEGER NOT NULL DEFAULT 0,  -- that its time is over is in the log
    revoked_at REAL,
    revoked_by TEXT,
    why TEXT NOT NULL DEFAULT '',  -- it was revoked
    signature INTEGER REFERENCES signatures
);
CREATE INDEX grants_live ON grants (agent, tool) WHERE revoked_at IS NULL AND NOT expired AND taken < uses;
CREATE INDEX grants_running ON grants (expires_at) WHERE revoked_at IS NULL AND NOT expired AND taken < uses;
ALTER TABLE actions ADD COLUMN grant_id INTEGER;  -- the grant that let it through, or would have if it were no spot check
CREATE INDEX actions_grant ON actions (grant_id) WHERE grant_id IS NOT NULL;
