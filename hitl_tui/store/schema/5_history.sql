CREATE TABLE history (  -- one row for each decision, with all that people look for; filled by who looks, not by who decides
    decision INTEGER PRIMARY KEY REFERENCES decisions,
    at REAL NOT NULL,
    run INTEGER NOT NULL,
    review INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    rule TEXT NOT NULL,
    confidence REAL,
    opened_at REAL NOT NULL,
    looked_ms INTEGER,
    size INTEGER NOT NULL,  -- characters of what was to be read: its arguments
    spot_check INTEGER NOT NULL,
    standing INTEGER NOT NULL  -- 0 once it was taken back or decided anew
);
CREATE INDEX history_at ON history (at);
CREATE INDEX history_of ON history (agent, tool, decision);
CREATE INDEX history_read ON history (actor, decision) WHERE standing AND looked_ms IS NOT NULL;  -- how somebody reads, of late
CREATE TABLE history_names (id INTEGER PRIMARY KEY, field TEXT NOT NULL, name TEXT NOT NULL);  -- what a glob may mean
CREATE UNIQUE INDEX history_names_once ON history_names (field, name);
CREATE VIRTUAL TABLE history_text USING fts5 (facets, words, content = '', prefix = '2 3');
CREATE VIEW remembered AS
SELECT d.id AS decision, d.at, v.run, v.id AS review, d.slot, v.agent, a.name AS tool, d.kind, d.actor, a.rule,
    coalesce(a.confidence, CASE v.slots WHEN 1 THEN v.confidence END) AS confidence, v.opened_at, d.looked_ms,
    length(a.args) AS size, a.spot_check, NOT d.superseded AS standing,
    'agent' || hex(lower(v.agent)) || ' tool' || hex(lower(a.name)) || ' by' || hex(lower(d.actor)) || ' rule' || hex(lower(a.rule))
        || ' run' || v.run || ' review' || v.id || ' decided' || d.kind || ' kind' || hex(v.kind)
        || ' risk' || hex(coalesce(a.risk, v.risk, 'unknown')) || ' outcome' || coalesce(a.outcome, 'none') AS facets,
    v.agent || ' ' || a.name || ' ' || d.actor || ' ' || substr(a.args, 1, 4000) || ' ' || substr(coalesce(d.args, ''), 1, 4000)
        || ' ' || substr(coalesce(d.message, ''), 1, 4000) AS words
FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.review NOT IN (SELECT review FROM attention);
CREATE TRIGGER history_named AFTER INSERT ON history BEGIN
    INSERT OR IGNORE INTO history_names (field, name)
    VALUES ('agent', lower(NEW.agent)), ('tool', lower(NEW.tool)), ('actor', lower(NEW.actor)), ('rule', lower(NEW.rule));
END;
CREATE TRIGGER decisions_fallen AFTER UPDATE OF superseded ON decisions WHEN NEW.superseded != OLD.superseded BEGIN
    UPDATE history SET standing = NOT NEW.superseded WHERE decision = NEW.id;
END;

CREATE TABLE cells (  -- what there are figures of
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,  -- `tool` of an agent, `reviewer`, `rule`, `each` of all these together; `itself` is what no person decided
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    actor TEXT NOT NULL,
    rule TEXT NOT NULL
);
CREATE UNIQUE INDEX cells_once ON cells (scope, agent, tool, actor, rule);
CREATE TABLE tallies (  -- the figures, counted as history grows: nobody scans it for one
    scope TEXT NOT NULL,  -- the cell's
    grain INTEGER NOT NULL,  -- how many days are counted together: 1, 7 from a Monday on, or 0 for all there ever were
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
CREATE VIEW counting AS SELECT 1 AS sign, * FROM countable;  -- what is inserted here is counted, or with -1 counted no more
CREATE VIEW tallying AS SELECT 0 AS cell, '' AS scope, 0 AS week, * FROM counting;  -- the same for one cell
CREATE TRIGGER history_tallied INSTEAD OF INSERT ON counting WHEN NEW.is_person BEGIN
    INSERT OR IGNORE INTO cells (scope, agent, tool, actor, rule)
    VALUES ('tool', NEW.agent, NEW.tool, '', ''), ('reviewer', '', '', NEW.actor, ''), ('rule', '', '', '', NEW.rule),
        ('each', NEW.agent, NEW.tool, NEW.actor, NEW.rule);
    INSERT INTO tallying (cell, scope, week, sign, day, kind, waited, looked, confidence, edited, reason)
        SELECT id, scope, (NEW.day + 3) / 7 * 7 - 3, NEW.sign, NEW.day, NEW.kind, NEW.waited, NEW.looked, NEW.confidence, NEW.edited,
            NEW.reason
        FROM cells WHERE (scope = 'tool' AND agent = NEW.agent AND tool = NEW.tool AND actor = '' AND rule = '')
            OR (scope = 'reviewer' AND agent = '' AND tool = '' AND actor = NEW.actor AND rule = '')
            OR (scope = 'rule' AND agent = '' AND tool = '' AND actor = '' AND rule = NEW.rule)
            OR (scope = 'each' AND agent = NEW.agent AND tool = NEW.tool AND actor = NEW.actor AND rule = NEW.rule);
END;
CREATE TRIGGER history_by_itself INSTEAD OF INSERT ON counting WHEN NOT NEW.is_person BEGIN
    INSERT OR IGNORE INTO cells (scope, agent, tool, actor, rule) VALUES ('itself', NEW.agent, NEW.tool, NEW.actor, NEW.rule);
    INSERT INTO tallying (cell, scope, week, sign, day, kind, edited, reason)
        SELECT id, scope, (NEW.day + 3) / 7 * 7 - 3, NEW.sign, NEW.day, NEW.kind, '[]', '' FROM cells
        WHERE scope = 'itself' AND agent = NEW.agent AND tool = NEW.tool AND actor = NEW.actor AND rule = NEW.rule;
END;
CREATE TRIGGER tallied_decided INSTEAD OF INSERT ON tallying BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'decided', 0, NEW.cell, NEW.kind, NEW.sign),
        (NEW.scope, 1, 'decided', NEW.day, NEW.cell, NEW.kind, NEW.sign),
        (NEW.scope, 7, 'decided', NEW.week, NEW.cell, NEW.kind, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER tallied_waited INSTEAD OF INSERT ON tallying WHEN NEW.waited IS NOT NULL BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'waited', 0, NEW.cell, NEW.waited, NEW.sign),
        (NEW.scope, 1, 'waited', NEW.day, NEW.cell, NEW.waited, NEW.sign),
        (NEW.scope, 7, 'waited', NEW.week, NEW.cell, NEW.waited, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER tallied_looked INSTEAD OF INSERT ON tallying WHEN NEW.looked IS NOT NULL BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'looked', 0, NEW.cell, NEW.looked, NEW.sign),
        (NEW.scope, 1, 'looked', NEW.day, NEW.cell, NEW.looked, NEW.sign),
        (NEW.scope, 7, 'looked', NEW.week, NEW.cell, NEW.looked, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER tallied_about INSTEAD OF INSERT ON tallying WHEN NEW.waited IS NOT NULL AND NEW.scope != 'each' BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count)
        VALUES (NEW.scope, 1, 'about', NEW.day, NEW.cell, NEW.waited / 4, NEW.sign),
        (NEW.scope, 7, 'about', NEW.week, NEW.cell, NEW.waited / 4, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER tallied_edited INSTEAD OF INSERT ON tallying WHEN NEW.edited != '[]' BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count)
        SELECT NEW.scope, g.grain, 'edited', g.day, NEW.cell, e.value, NEW.sign FROM json_each(NEW.edited) e
        CROSS JOIN (SELECT 0 AS grain, 0 AS day UNION ALL SELECT 1, NEW.day UNION ALL SELECT 7, NEW.week) g WHERE TRUE
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER tallied_reason INSTEAD OF INSERT ON tallying WHEN NEW.reason != '' BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'reason', 0, NEW.cell, NEW.reason, NEW.sign),
        (NEW.scope, 1, 'reason', NEW.day, NEW.cell, NEW.reason, NEW.sign),
        (NEW.scope, 7, 'reason', NEW.week, NEW.cell, NEW.reason, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;
CREATE TRIGGER tallied_beliefs INSTEAD OF INSERT ON tallying WHEN NEW.confidence IS NOT NULL AND NEW.scope IN ('tool', 'each') BEGIN
    INSERT INTO beliefs (scope, grain, day, cell, bin, count, confidence, squares, good, believed_good)
        SELECT NEW.scope, g.grain, g.day, NEW.cell, min(19, CAST(NEW.confidence * 20 AS INTEGER)), NEW.sign, NEW.sign * NEW.confidence,
            NEW.sign * NEW.confidence * NEW.confidence, NEW.sign * (NEW.kind = 'approve'),
            NEW.sign * NEW.confidence * (NEW.kind = 'approve')
        FROM (SELECT 0 AS grain, 0 AS day UNION ALL SELECT 1, NEW.day UNION ALL SELECT 7, NEW.week) g WHERE TRUE
        ON CONFLICT (scope, grain, day, cell, bin) DO UPDATE SET count = count + excluded.count,
            confidence = confidence + excluded.confidence, squares = squares + excluded.squares, good = good + excluded.good,
            believed_good = believed_good + excluded.believed_good;
END;
CREATE TRIGGER history_counted AFTER INSERT ON history WHEN NEW.standing BEGIN
    INSERT INTO counting SELECT 1, * FROM countable WHERE decision = NEW.decision;
END;
CREATE TRIGGER history_recounted AFTER UPDATE OF standing ON history WHEN NEW.standing != OLD.standing BEGIN
    INSERT INTO counting SELECT NEW.standing - OLD.standing, * FROM countable WHERE decision = NEW.decision;
END;
