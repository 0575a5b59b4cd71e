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
    note TEXT NOT NULL,  -- a warning about what is asked, or why the review ended
    may_have_run INTEGER NOT NULL DEFAULT 0,  -- what was approved may have run already; the note says why
    policy_note TEXT NOT NULL DEFAULT '',  -- what the reviewer must know of the policy itself
    repeats TEXT,  -- at a gate in doubt: key of the decisions that led there
    route TEXT,  -- the worst outcome of the actions that policy left undecided
    recipient TEXT NOT NULL DEFAULT '',  -- the group or person it is meant for
    deadline_at REAL,
    deadline_then TEXT NOT NULL DEFAULT '',  -- `escalate` or `reject`
    deadline_rule TEXT NOT NULL DEFAULT '',
    claimed_by TEXT,
    claimed_key TEXT,  -- `person_key` of the claimant
    claimed_until REAL,
    escalated TEXT NOT NULL DEFAULT '',  -- recipient of the last escalation; `anybody` where it names nobody
    state TEXT NOT NULL DEFAULT 'open',
    decision TEXT NOT NULL DEFAULT '',  -- of the whole review: `approved`, `edited`, `rejected`, …; empty until then
    decided_by TEXT NOT NULL DEFAULT '',  -- the last to decide
    decided_by_kind TEXT NOT NULL DEFAULT 'person',
    decided_with TEXT NOT NULL DEFAULT '[]',  -- the others whose approval was needed: a JSON list of names
    decided_slots INTEGER NOT NULL DEFAULT 0,
    approvals TEXT NOT NULL DEFAULT '[]',  -- approvals that need more of them: JSON, `[[kind, needed, [name, …]], …]`
    opened_at REAL NOT NULL,
    decided_at REAL,
    effective_at REAL,
    submitted_at REAL,
    submitted_by TEXT,  -- the worker
    applied_at REAL
);
CREATE INDEX reviews_asked ON reviews (run, interrupt);
CREATE UNIQUE INDEX reviews_once ON reviews (run, interrupt) WHERE state IN ('open', 'decided', 'submitted');
CREATE INDEX reviews_waiting ON reviews (id) WHERE state = 'open';
CREATE INDEX reviews_decided ON reviews (effective_at) WHERE state = 'decided';
CREATE INDEX reviews_submitted ON reviews (run) WHERE state = 'submitted';
CREATE INDEX reviews_deadline ON reviews (deadline_at) WHERE state = 'open' AND deadline_at IS NOT NULL;

CREATE TABLE details (  -- what only the opened review needs, kept out of the rows the queue reads
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
    confidence REAL,
    confidence_source TEXT NOT NULL DEFAULT '',
    confidence_note TEXT NOT NULL DEFAULT '',
    risk TEXT,  -- what policy judged by
    declared TEXT,  -- the risk that the graph or the tool declared
    outcome TEXT,  -- what policy said; NULL without one
    rule TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    reviewers INTEGER NOT NULL DEFAULT 1,  -- different people who must approve
    spot_check INTEGER NOT NULL DEFAULT 0,  -- policy would have approved it, and picked it for a person to check
    PRIMARY KEY (review, slot)
) WITHOUT ROWID;

CREATE TABLE review_views (  -- who has seen a review
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    reviewer TEXT NOT NULL,
    reviewer_key TEXT NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    viewed_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX review_views_once ON review_views (review, reviewer_key);
