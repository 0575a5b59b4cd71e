CREATE TABLE history (  -- one row for each decision, with the fields people search by; filled by the reader, not by the decider
    decision INTEGER PRIMARY KEY REFERENCES decisions,
    at REAL NOT NULL,
    run INTEGER NOT NULL,
    review INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    rule TEXT NOT NULL,
    confidence REAL,
    opened_at REAL NOT NULL,
    viewed_ms INTEGER,
    size INTEGER NOT NULL,  -- characters of the arguments
    spot_check INTEGER NOT NULL,
    in_force INTEGER NOT NULL  -- 0 once it was undone or decided anew
);
CREATE INDEX history_at ON history (at);
CREATE INDEX history_of ON history (agent, tool, decision);
CREATE INDEX history_read ON history (actor_key, decision) WHERE in_force AND viewed_ms IS NOT NULL;  -- a person's recent reading pace
CREATE INDEX history_people ON history (agent, tool, decision)  -- of a million calls that policy approved, the few that people decided
    WHERE in_force AND actor_kind = 'person';
CREATE INDEX history_refused ON history (agent, tool, decision)
    WHERE in_force AND kind IN ('edit', 'reject') AND actor_kind = 'person';

CREATE TABLE history_names (id INTEGER PRIMARY KEY, field TEXT NOT NULL, name TEXT NOT NULL);  -- names that a glob may match
CREATE UNIQUE INDEX history_names_once ON history_names (field, name);
CREATE VIRTUAL TABLE history_text USING fts5 (facets, words, content = '', prefix = '2 3');

CREATE VIEW history_source AS
SELECT d.id AS decision, d.at, v.run, v.id AS review, d.slot, v.agent, a.name AS tool, d.kind, d.actor, d.actor_kind, d.actor_key, a.rule,
    coalesce(a.confidence, CASE v.slots WHEN 1 THEN v.confidence END) AS confidence, v.opened_at, d.viewed_ms,
    length(a.args) AS size, a.spot_check, NOT d.superseded AS in_force,
    'agent' || hex(lower(v.agent)) || ' tool' || hex(lower(a.name)) || ' by' || hex(lower(d.actor)) || ' rule' || hex(lower(a.rule))
        || ' run' || v.run || ' review' || v.id || ' decided' || d.kind || ' kind' || hex(v.kind)
        || ' risk' || hex(coalesce(a.risk, v.risk, 'unknown')) || ' outcome' || coalesce(a.outcome, 'none') AS facets,
    v.agent || ' ' || a.name || ' ' || d.actor || ' ' || substr(a.args, 1, 4000) || ' ' || substr(coalesce(d.args, ''), 1, 4000)
        || ' ' || substr(coalesce(d.message, ''), 1, 4000) AS words
FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.review NOT IN (SELECT review FROM attention_checks);
