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

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER REFERENCES projects,  -- NULL until a worker that has the agent takes it
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    title TEXT NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    activity TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    traceback TEXT NOT NULL DEFAULT '',
    result TEXT,
    resuming INTEGER NOT NULL DEFAULT 0,
    cancelling INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    worker TEXT,  -- the lease: who drives it now
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

CREATE TABLE reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs,
    agent TEXT NOT NULL,
    interrupt TEXT NOT NULL,
    kind TEXT NOT NULL,
    node TEXT NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    slots INTEGER NOT NULL,
    risk TEXT,
    confidence REAL,
    note TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    decided TEXT NOT NULL DEFAULT '',
    opened_at REAL NOT NULL,
    decided_at REAL,
    effective_at REAL,
    submitted_at REAL,
    submitted_by TEXT,  -- the worker
    applied_at REAL
);
CREATE INDEX reviews_run ON reviews (run);
CREATE INDEX reviews_waiting ON reviews (id) WHERE state = 'open';
CREATE INDEX reviews_decided ON reviews (effective_at) WHERE state = 'decided';
CREATE INDEX reviews_submitted ON reviews (run) WHERE state = 'submitted';
CREATE UNIQUE INDEX reviews_once ON reviews (run, interrupt) WHERE state IN ('open', 'decided', 'submitted');

CREATE TABLE details (  -- what only the open review needs, kept out of the rows the queue reads
    review INTEGER PRIMARY KEY REFERENCES reviews,
    value TEXT NOT NULL,
    context TEXT NOT NULL
);
CREATE TABLE actions (
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    name TEXT NOT NULL,
    args TEXT NOT NULL,
    allowed TEXT NOT NULL,
    description TEXT NOT NULL,
    args_schema TEXT,
    answer_schema TEXT,
    choices TEXT NOT NULL,
    tool_call TEXT,
    means TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (review, slot)
) WITHOUT ROWID;
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    digest TEXT NOT NULL,
    at REAL NOT NULL,
    effective_at REAL NOT NULL,  -- until then it can be taken back
    looked_ms INTEGER,
    superseded INTEGER NOT NULL DEFAULT 0  -- decided again before the whole review was
);
CREATE UNIQUE INDEX decisions_slot ON decisions (review, slot) WHERE NOT superseded;

CREATE TRIGGER decisions_again BEFORE INSERT ON decisions BEGIN
    UPDATE decisions SET superseded = 1 WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded;
END;
CREATE TRIGGER decisions_whole AFTER INSERT ON decisions BEGIN  -- the last slot's decision decides the review
    UPDATE reviews SET state = 'decided', decided_at = NEW.at, effective_at = NEW.effective_at, decided = (
        SELECT CASE WHEN count(DISTINCT kind) > 1 THEN 'decided' ELSE CASE max(kind)
            WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN 'rejected' ELSE 'answered' END END
        FROM decisions WHERE review = NEW.review AND NOT superseded) || ' by ' || NEW.actor
    WHERE id = NEW.review AND slots = (SELECT count(*) FROM decisions WHERE review = NEW.review AND NOT superseded);
END;

CREATE TRIGGER reviews_submitted BEFORE UPDATE OF submitted_by ON reviews  -- who submits an answer takes the lease, or fails
WHEN NEW.submitted_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE id = NEW.run AND worker = NEW.submitted_by) BEGIN
    SELECT RAISE(IGNORE) FROM runs WHERE id = NEW.run AND (state != 'waiting' OR worker IS NOT NULL);
    UPDATE runs SET state = 'running', worker = NEW.submitted_by, activity = 'resuming' WHERE id = NEW.run;
END;

CREATE TABLE changes (  -- what changed, in order: readers ask only for what is newer than their last look
    seq INTEGER PRIMARY KEY,
    review INTEGER,
    run INTEGER
);
CREATE TRIGGER runs_made AFTER INSERT ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;
CREATE TRIGGER runs_changed AFTER UPDATE ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;
CREATE TRIGGER reviews_made AFTER INSERT ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;
