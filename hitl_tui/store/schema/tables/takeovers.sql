CREATE TABLE takeovers (  -- a person acts as the agent
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    at REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT '',  -- why it was taken from somebody else
    head TEXT NOT NULL,  -- the checkpoint that was shown
    plan TEXT,  -- what to do before the agent continues
    typed TEXT,  -- texts that are not part of a plan yet, by the field they are typed in
    state TEXT NOT NULL DEFAULT 'open',  -- `open → handed_back → submitted → applied`, with the exits `discarded`, `stale` and `failed`
    note TEXT NOT NULL DEFAULT '',
    handed_back_at REAL,
    submitted_by TEXT,
    was TEXT NOT NULL DEFAULT '',  -- the run's state when it was handed back
    was_error TEXT NOT NULL DEFAULT '',
    was_traceback TEXT NOT NULL DEFAULT '',
    ended_at REAL
);
CREATE UNIQUE INDEX takeovers_one ON takeovers (run) WHERE state IN ('open', 'handed_back', 'submitted');
CREATE INDEX takeovers_run ON takeovers (run);
CREATE INDEX takeovers_ready ON takeovers (id) WHERE state = 'handed_back';
