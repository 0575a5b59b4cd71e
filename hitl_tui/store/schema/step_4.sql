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
    standing INTEGER NOT NULL  -- 0 once it was taken back or decided anew
);
CREATE INDEX history_at ON history (at);
CREATE TABLE history_names (id INTEGER PRIMARY KEY, field TEXT NOT NULL, name TEXT NOT NULL);  -- what a glob may mean
CREATE UNIQUE INDEX history_names_once ON history_names (field, name);
CREATE VIRTUAL TABLE history_text USING fts5 (facets, words, content = '', prefix = '2 3');
CREATE VIEW remembered AS
SELECT d.id AS decision, d.at, v.run, v.id AS review, d.slot, v.agent, a.name AS tool, d.kind, d.actor, a.rule,
    coalesce(a.confidence, CASE v.slots WHEN 1 THEN v.confidence END) AS confidence, v.opened_at, d.looked_ms,
    NOT d.superseded AS standing,
    'agent' || hex(lower(v.agent)) || ' tool' || hex(lower(a.name)) || ' by' || hex(lower(d.actor)) || ' rule' || hex(lower(a.rule))
        || ' run' || v.run || ' review' || v.id || ' decided' || d.kind || ' kind' || hex(v.kind)
        || ' risk' || hex(coalesce(a.risk, v.risk, 'unknown')) || ' outcome' || coalesce(a.outcome, 'none') AS facets,
    v.agent || ' ' || a.name || ' ' || d.actor || ' ' || substr(a.args, 1, 4000) || ' ' || substr(coalesce(d.args, ''), 1, 4000)
        || ' ' || substr(coalesce(d.message, ''), 1, 4000) AS words
FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot;
CREATE TRIGGER history_named AFTER INSERT ON history BEGIN
    INSERT OR IGNORE INTO history_names (field, name)
    VALUES ('agent', lower(NEW.agent)), ('tool', lower(NEW.tool)), ('actor', lower(NEW.actor)), ('rule', lower(NEW.rule));
END;
CREATE TRIGGER decisions_fallen AFTER UPDATE OF superseded ON decisions WHEN NEW.superseded != OLD.superseded BEGIN
    UPDATE history SET standing = NOT NEW.superseded WHERE decision = NEW.id;
END;
