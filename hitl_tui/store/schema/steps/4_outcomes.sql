-- Which failures a person has seen, when runs ended, and which workers run code that was edited since.
CREATE TABLE failures_seen (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    reviewer_key TEXT NOT NULL,  -- `person_key` of the person
    ended_at REAL NOT NULL,  -- of the failure that was seen: a run that is retried may fail again
    PRIMARY KEY (run, reviewer_key)
) WITHOUT ROWID;
CREATE INDEX runs_failed_at ON runs (ended_at) WHERE state = 'failed';
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
ALTER TABLE workers ADD COLUMN code_changed INTEGER NOT NULL DEFAULT 0;  -- a loaded file of the project is another one now
