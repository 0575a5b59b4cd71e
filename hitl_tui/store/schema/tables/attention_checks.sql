CREATE TABLE attention_checks (  -- reviews that are attention checks: clearly wrong, and never sent to an agent
    review INTEGER PRIMARY KEY REFERENCES reviews,
    source INTEGER NOT NULL,  -- the review that its action was made from
    wrong TEXT NOT NULL,  -- what is clearly wrong about it, as a clause
    correct TEXT NOT NULL,  -- the arguments it was made from
    made_at REAL NOT NULL,
    last INTEGER NOT NULL,  -- the newest decision when it was made: the next check is counted from there
    actor TEXT NOT NULL DEFAULT '',  -- who caught or missed it
    actor_key TEXT NOT NULL DEFAULT '',
    said TEXT NOT NULL DEFAULT '',  -- what they did, e.g. `approved` or `escalated to bob`
    caught INTEGER,  -- NULL until somebody acted on it
    found_at REAL
);
