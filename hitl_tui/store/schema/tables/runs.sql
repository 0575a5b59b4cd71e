CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER REFERENCES projects,  -- NULL until a worker that has the agent takes it
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    title TEXT NOT NULL,
    input TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    gates_before TEXT NOT NULL DEFAULT '[]',
    gates_after TEXT NOT NULL DEFAULT '[]',
    time_limit_s REAL,
    launched_by TEXT NOT NULL DEFAULT '',
    attention INTEGER NOT NULL DEFAULT 0,  -- only carries an attention check; no agent made it
    state TEXT NOT NULL DEFAULT 'queued',
    activity TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    traceback TEXT NOT NULL DEFAULT '',
    result TEXT,
    resuming INTEGER NOT NULL DEFAULT 0,
    cancelling INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    failure_seen INTEGER NOT NULL DEFAULT 0,  -- policy has judged that it failed
    cut INTEGER NOT NULL DEFAULT 0,  -- cut off inside a step, which may have done its work
    worker TEXT,  -- the lease: the worker that drives the run now
    leased_at REAL,
    worked_s REAL NOT NULL DEFAULT 0,  -- time under earlier leases
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL
);
CREATE INDEX runs_active ON runs (state) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_queued ON runs (id) WHERE state = 'queued';
CREATE INDEX runs_running ON runs (id) WHERE state = 'running';
CREATE INDEX runs_thread ON runs (thread);
CREATE UNIQUE INDEX runs_lease ON runs (thread) WHERE worker IS NOT NULL;  -- one thread, one driver
CREATE INDEX runs_cancelling ON runs (id) WHERE cancelling;
CREATE INDEX runs_worker ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_failed ON runs (id) WHERE state = 'failed' AND NOT failure_seen;
CREATE INDEX runs_attention ON runs (project) WHERE attention;

CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    node TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE heads (  -- the checkpoint of a run that waits, failed or was cancelled, for a takeover
    run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    checkpoint TEXT NOT NULL,
    nodes TEXT NOT NULL,
    context TEXT,  -- NULL where it is that of the run's newest review
    words TEXT,  -- of the agent's last message
    calls TEXT NOT NULL
);
