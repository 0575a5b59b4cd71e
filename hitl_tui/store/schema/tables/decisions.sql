CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    tool TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    digest TEXT NOT NULL,  -- of the action as it was shown
    effect TEXT,  -- digest of what the decision makes happen
    at REAL NOT NULL,
    effective_at REAL NOT NULL,  -- until then it can be undone
    looked_ms INTEGER,
    superseded INTEGER NOT NULL DEFAULT 0,  -- undone, or decided again before the whole review was
    undone_at REAL,  -- superseded because it was undone
    doubtful INTEGER NOT NULL DEFAULT 0,  -- it may have had its effect, and that is asked again
    repeats INTEGER  -- an earlier doubtful decision of the same effect: both are one act
);
CREATE UNIQUE INDEX decisions_slot ON decisions (review, slot) WHERE NOT superseded;
CREATE INDEX decisions_doubtful ON decisions (review) WHERE doubtful;
CREATE INDEX decisions_alike ON decisions (agent, tool) WHERE NOT superseded;
CREATE INDEX decisions_refused ON decisions (agent, tool, id) WHERE kind = 'reject' AND message IS NOT NULL AND NOT superseded;

CREATE TABLE endorsements (  -- approvals before the last one that is needed; the last becomes the decision
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    digest TEXT NOT NULL,
    effect TEXT NOT NULL,  -- digest of what it makes happen: two people must mean the same
    at REAL NOT NULL,
    looked_ms INTEGER,
    withdrawn_at REAL
);
CREATE UNIQUE INDEX endorsements_one ON endorsements (review, slot, actor) WHERE withdrawn_at IS NULL;

CREATE VIEW progress AS  -- how far people have come with an open review, in words
    SELECT v.id AS review, ltrim(coalesce(
        nullif((SELECT count(*) FROM decisions WHERE review = v.id AND NOT superseded), 0) || ' of ' || v.slots || ' decided', '')
        || coalesce((SELECT group_concat('; ' || said, '') FROM (
            SELECT DISTINCT count(*) || ' of ' || a.reviewers || CASE min(e.kind) WHEN 'approve' THEN ' approvals'
                WHEN 'edit' THEN ' edits' ELSE ' answers' END || ', by ' || group_concat(e.actor, ' and ') AS said
            FROM endorsements e JOIN actions a ON a.review = e.review AND a.slot = e.slot
            WHERE e.review = v.id AND e.withdrawn_at IS NULL AND NOT EXISTS
                (SELECT 1 FROM decisions d WHERE d.review = e.review AND d.slot = e.slot AND NOT d.superseded)
            GROUP BY e.slot, e.effect ORDER BY min(e.id))), ''), '; ') AS told
    FROM reviews v;

CREATE VIEW shared AS SELECT id AS decision FROM decisions;
