CREATE TABLE cells (  -- what is counted
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,  -- `tool` of an agent, `reviewer`, `rule`, `each` of all these together; `itself` is what no person decided
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    actor TEXT NOT NULL,  -- as this person's name was first spelled
    actor_key TEXT NOT NULL,
    rule TEXT NOT NULL
);
CREATE UNIQUE INDEX cells_once ON cells (scope, agent, tool, actor_key, rule);

CREATE TABLE tallies (  -- counters, updated as history grows, so that nothing scans it
    scope TEXT NOT NULL,  -- the cell's
    grain INTEGER NOT NULL,  -- days counted together: 1, 7 from a Monday on, or 0 for all time
    measure TEXT NOT NULL,  -- `decided`, `waited`, `viewed`, `about` (waited, in buckets four times as wide), `edited`, `reason`
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

CREATE VIEW countable AS  -- what a decision adds to the counters
SELECT h.decision, h.agent, h.tool, h.actor, h.actor_key, h.rule, h.kind, h.actor_kind = 'person' AS is_person,
    CAST(h.at / 86400 AS INTEGER) AS day, (CAST(h.at / 86400 AS INTEGER) + 3) / 7 * 7 - 3 AS week,
    bucket(h.at - h.opened_at) AS waited, CASE WHEN h.viewed_ms IS NOT NULL THEN bucket(h.viewed_ms / 1000.0) END AS viewed,
    CASE WHEN h.confidence BETWEEN 0 AND 1 THEN h.confidence END AS confidence,
    CASE h.kind WHEN 'edit' THEN edited(a.args, d.args) ELSE '[]' END AS edited,
    CASE h.kind WHEN 'reject' THEN worded(d.message) ELSE '' END AS reason
FROM history h JOIN decisions d ON d.id = h.decision JOIN actions a ON a.review = h.review AND a.slot = h.slot;

CREATE VIEW measures AS  -- the same, a row for each value that is counted; `+` keeps numbers numbers
SELECT decision, day, week, 'decided' AS measure, +kind AS value FROM countable
UNION ALL SELECT decision, day, week, 'waited', waited FROM countable WHERE is_person AND waited IS NOT NULL
UNION ALL SELECT decision, day, week, 'about', waited / 4 FROM countable WHERE is_person AND waited IS NOT NULL
UNION ALL SELECT decision, day, week, 'viewed', viewed FROM countable WHERE is_person AND viewed IS NOT NULL
UNION ALL SELECT decision, day, week, 'edited', e.value FROM countable, json_each(edited) e WHERE is_person AND edited != '[]'
UNION ALL SELECT decision, day, week, 'reason', reason FROM countable WHERE is_person AND reason != '';

CREATE VIEW counted_in AS  -- the cells that a decision is counted in; they need not exist yet
SELECT decision, 'tool' AS scope, agent, tool, '' AS actor, '' AS actor_key, '' AS rule FROM countable WHERE is_person
UNION ALL SELECT decision, 'reviewer', '', '', actor, actor_key, '' FROM countable WHERE is_person
UNION ALL SELECT decision, 'rule', '', '', '', '', rule FROM countable WHERE is_person
UNION ALL SELECT decision, 'each', agent, tool, actor, actor_key, rule FROM countable WHERE is_person
UNION ALL SELECT decision, 'itself', agent, tool, actor, actor_key, rule FROM countable WHERE NOT is_person;
