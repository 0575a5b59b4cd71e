CREATE TABLE escalations (
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    run INTEGER NOT NULL REFERENCES runs,
    at REAL NOT NULL,
    recipient TEXT NOT NULL,  -- a group or a person; empty for anybody
    actor TEXT NOT NULL,  -- a person, `policy:<rule>`, `timeout:<rule>` or `agent:<name>`
    actor_kind TEXT NOT NULL,
    why TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    step INTEGER,  -- of the chain; NULL outside it
    next_at REAL,  -- when the chain continues unless somebody claims it
    acknowledged_at REAL,
    acknowledged_by TEXT,
    taken_up INTEGER NOT NULL DEFAULT 0  -- a worker has put it on the chain and queued its notifications
);
CREATE INDEX escalations_review ON escalations (review);
CREATE INDEX escalations_new ON escalations (id) WHERE NOT taken_up;
CREATE INDEX escalations_next ON escalations (next_at) WHERE acknowledged_at IS NULL AND next_at IS NOT NULL;

CREATE TABLE notifications (  -- one for each channel that an escalation is announced by
    id INTEGER PRIMARY KEY,
    escalation INTEGER NOT NULL REFERENCES escalations,
    channel TEXT NOT NULL,  -- `desktop`, `command`, or `url:` and a hash: an address holds secrets
    state TEXT NOT NULL DEFAULT 'due',  -- `due → sending → sent`, with the exits `failed` and `dropped`
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    worker TEXT,
    ended_at REAL
);
CREATE UNIQUE INDEX notifications_once ON notifications (escalation, channel);
CREATE INDEX notifications_due ON notifications (due_at) WHERE state IN ('due', 'sending');
