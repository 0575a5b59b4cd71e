CREATE TABLE audit (  -- append-only; each hash covers the row and the hash before it
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,  -- empty for the program itself
    actor_kind TEXT NOT NULL,  -- an `ActorKind`
    run INTEGER,
    review INTEGER,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_review ON audit (review) WHERE review IS NOT NULL;
CREATE INDEX audit_policies ON audit (seq) WHERE kind = 'policy';

CREATE TABLE changes (  -- the change feed: readers ask only for what is newer than their last read
    seq INTEGER PRIMARY KEY,
    review INTEGER,
    run INTEGER
);
