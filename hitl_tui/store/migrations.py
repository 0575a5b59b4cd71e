"""Every step of the schema, in order, for new and old databases alike. Append only: a step that shipped is never edited."""

from __future__ import annotations

STEPS = (
    """
    CREATE TABLE clock (n INTEGER NOT NULL);  -- one row: counts changes, so that readers ask only for what is newer
    INSERT INTO clock VALUES (0);

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
    CREATE TABLE leases (
        thread TEXT PRIMARY KEY,
        worker TEXT NOT NULL REFERENCES workers ON DELETE CASCADE,
        until REAL NOT NULL
    );
    CREATE INDEX leases_worker ON leases (worker);

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
        created_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        rev INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX runs_rev ON runs (rev);
    CREATE INDEX runs_active ON runs (state, id) WHERE state IN ('queued', 'running', 'waiting');
    CREATE INDEX runs_thread ON runs (thread);

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
        applied_at REAL,
        rev INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX reviews_rev ON reviews (rev);
    CREATE INDEX reviews_run ON reviews (run);
    CREATE INDEX reviews_waiting ON reviews (id) WHERE state = 'open';
    CREATE INDEX reviews_decided ON reviews (effective_at) WHERE state IN ('decided', 'submitted');
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
        looked_ms INTEGER,
        superseded INTEGER NOT NULL DEFAULT 0  -- decided again before the whole review was
    );
    CREATE UNIQUE INDEX decisions_slot ON decisions (review, slot) WHERE NOT superseded;

    CREATE TRIGGER runs_made AFTER INSERT ON runs BEGIN
        UPDATE clock SET n = n + 1;
        UPDATE runs SET rev = (SELECT n FROM clock) WHERE id = NEW.id;
    END;
    CREATE TRIGGER runs_changed AFTER UPDATE ON runs WHEN NEW.rev = OLD.rev BEGIN
        UPDATE clock SET n = n + 1;
        UPDATE runs SET rev = (SELECT n FROM clock) WHERE id = NEW.id;
    END;
    CREATE TRIGGER reviews_made AFTER INSERT ON reviews BEGIN
        UPDATE clock SET n = n + 1;
        UPDATE reviews SET rev = (SELECT n FROM clock) WHERE id = NEW.id;
    END;
    CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews WHEN NEW.rev = OLD.rev BEGIN
        UPDATE clock SET n = n + 1;
        UPDATE reviews SET rev = (SELECT n FROM clock) WHERE id = NEW.id;
    END;
    """,
)
