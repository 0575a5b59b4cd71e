CREATE TABLE cells (  -- what is counted
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,  -- `tool` of an agent, `reviewer`, `rule`, `each` of all these together; `itself` is what no person decided
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    actor TEXT NOT NULL,
    rule TEXT NOT NULL
);
CREATE UNIQUE INDEX cells_once ON cells (scope, agent, tool, actor, rule);

CREATE TABLE tallies (  -- counters, updated as history grows, so that nothing scans it
    scope TEXT NOT NULL,  -- the cell's
    grain INTEGER NOT NULL,  -- days counted together: 1, 7 from a Monday on, or 0 for all time
    measure TEXT NOT NULL,  -- `decided`, `waited`, `looked`, `about` (waited, in buckets four times as wide), `edited`, `reason`
    day INTEGER NOT NULL,  -- the first of them, since 1970, UTC
    cell INTEGER NOT NULL,
    value NOT NULL,  -- a kind of decision, a bucket of time, the name of an argument, a reason
    count INTEGER NOT NULL,
    PRIMARY KEY (scope, grain, measure, day, cell, value)
) WITHOUT ROWID;
CREATE INDEX tallies_most ON tallies (scope, measure, cell, count) WHERE grain = 0 AND measure IN ('edited', 'reason');

CREATE TABLE beliefs (  -- stated confidence against what people decided, in twentieths; of scopes `tool` and `each`
    scope TEXT NOT NULL,
    grain INTEGER NOT NULL,
    day INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    count INTEGER NOT NULL,
    confidence REAL NOT NULL,
    squares REAL NOT NULL,
    good INTEGER NOT NULL,  -- approved unchanged
    believed_good REAL NOT NULL,
    PRIMARY KEY (scope, grain, day, cell, bin)
) WITHOUT ROWID;

CREATE VIEW countable AS  -- what a decision adds to the figures
SELECT h.decision, CAST(h.at / 86400 AS INTEGER) AS day, h.agent, h.tool, h.actor, h.rule, h.kind,
    NOT (h.actor GLOB 'policy:*' OR h.actor GLOB 'timeout:*' OR h.actor GLOB 'agent:*') AS is_person, bucket(h.at - h.opened_at) AS waited,
    CASE WHEN h.looked_ms IS NOT NULL THEN bucket(h.looked_ms / 1000.0) END AS looked,
    CASE WHEN h.confidence BETWEEN 0 AND 1 THEN h.confidence END AS confidence,
    CASE h.kind WHEN 'edit' THEN edited(a.args, d.args) ELSE '[]' END AS edited,
    CASE h.kind WHEN 'reject' THEN worded(d.message) ELSE '' END AS reason
FROM history h JOIN decisions d ON d.id = h.decision JOIN actions a ON a.review = h.review AND a.slot = h.slot;

CREATE VIEW counting AS SELECT 1 AS sign, * FROM countable;

CREATE VIEW tallying AS SELECT 0 AS cell, '' AS scope, 0 AS week, * FROM counting;
