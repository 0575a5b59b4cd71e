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
CREATE INDEX history_by ON history (actor, decision);
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

CREATE TABLE tallies (  -- what became of actions, counted as history grows: nobody scans it for a figure
    id INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,  -- since 1970, UTC
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    actor TEXT NOT NULL,
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL
);
CREATE UNIQUE INDEX tallies_once ON tallies (day, agent, tool, actor, rule, kind);
CREATE TABLE times (  -- histograms of how long actions waited, and were looked at
    id INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    actor TEXT NOT NULL,
    measure TEXT NOT NULL,  -- `waited` or `looked`
    bucket INTEGER NOT NULL,
    count INTEGER NOT NULL
);
CREATE UNIQUE INDEX times_once ON times (day, agent, tool, actor, measure, bucket);
CREATE TABLE beliefs (  -- stated confidence against what people decided, in twentieths
    id INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    bin INTEGER NOT NULL,
    count INTEGER NOT NULL,
    confidence REAL NOT NULL,
    squares REAL NOT NULL,
    good INTEGER NOT NULL,
    believed_good REAL NOT NULL
);
CREATE UNIQUE INDEX beliefs_once ON beliefs (day, agent, tool, bin);
CREATE VIEW counting AS SELECT decision, standing AS sign FROM history;  -- what is inserted here is counted, or with -1 counted no more
CREATE TRIGGER history_tallied INSTEAD OF INSERT ON counting BEGIN
    INSERT INTO tallies (day, agent, tool, actor, rule, kind, count)
        SELECT CAST(at / 86400 AS INTEGER), agent, tool, actor, rule, kind, NEW.sign FROM history WHERE decision = NEW.decision
        ON CONFLICT (day, agent, tool, actor, rule, kind) DO UPDATE SET count = count + excluded.count;
    INSERT INTO times (day, agent, tool, actor, measure, bucket, count)
        SELECT CAST(at / 86400 AS INTEGER), agent, tool, actor, 'waited', bucket(at - opened_at), NEW.sign FROM history
        WHERE decision = NEW.decision
        ON CONFLICT (day, agent, tool, actor, measure, bucket) DO UPDATE SET count = count + excluded.count;
    INSERT INTO times (day, agent, tool, actor, measure, bucket, count)
        SELECT CAST(at / 86400 AS INTEGER), agent, tool, actor, 'looked', bucket(looked_ms / 1000.0), NEW.sign FROM history
        WHERE decision = NEW.decision AND looked_ms IS NOT NULL
        ON CONFLICT (day, agent, tool, actor, measure, bucket) DO UPDATE SET count = count + excluded.count;
    INSERT INTO beliefs (day, agent, tool, bin, count, confidence, squares, good, believed_good)
        SELECT CAST(at / 86400 AS INTEGER), agent, tool, min(19, CAST(confidence * 20 AS INTEGER)), NEW.sign, NEW.sign * confidence,
            NEW.sign * confidence * confidence, NEW.sign * (kind = 'approve'), NEW.sign * confidence * (kind = 'approve')
        FROM history WHERE decision = NEW.decision AND confidence BETWEEN 0 AND 1 AND actor NOT GLOB 'policy:*' AND actor NOT GLOB 'timeout:*'
        ON CONFLICT (day, agent, tool, bin) DO UPDATE SET count = count + excluded.count, confidence = confidence + excluded.confidence,
            squares = squares + excluded.squares, good = good + excluded.good, believed_good = believed_good + excluded.believed_good;
END;
CREATE TRIGGER history_counted AFTER INSERT ON history WHEN NEW.standing BEGIN
    INSERT INTO counting (decision, sign) VALUES (NEW.decision, 1);
END;
CREATE TRIGGER history_recounted AFTER UPDATE OF standing ON history WHEN NEW.standing != OLD.standing BEGIN
    INSERT INTO counting (decision, sign) VALUES (NEW.decision, NEW.standing - OLD.standing);
END;
