-- What share of a call was on the screen, how long reading it takes at least, and the answer template that was sent.
ALTER TABLE decisions ADD COLUMN seen REAL;  -- share of the shown text, 0 to 1; NULL where it was not measured
ALTER TABLE decisions ADD COLUMN reading_ms INTEGER;
ALTER TABLE decisions ADD COLUMN template TEXT;  -- JSON that a template of the policy sent in place of true or false
ALTER TABLE endorsements ADD COLUMN seen REAL;
ALTER TABLE endorsements ADD COLUMN reading_ms INTEGER;
ALTER TABLE endorsements ADD COLUMN template TEXT;
ALTER TABLE history ADD COLUMN seen REAL;
ALTER TABLE history ADD COLUMN reading_ms INTEGER;

DROP VIEW history_source;
CREATE VIEW history_source AS
SELECT d.id AS decision, d.at, v.run, v.id AS review, d.slot, v.agent, a.name AS tool, d.kind, d.actor, d.actor_kind, d.actor_key, a.rule,
    coalesce(a.confidence, CASE v.slots WHEN 1 THEN v.confidence END) AS confidence, v.opened_at, d.viewed_ms, d.seen, d.reading_ms,
    length(a.args) AS size, a.spot_check, NOT d.superseded AS in_force,
    'agent' || hex(lower(v.agent)) || ' tool' || hex(lower(a.name)) || ' by' || hex(lower(d.actor)) || ' rule' || hex(lower(a.rule))
        || ' run' || v.run || ' review' || v.id || ' decided' || d.kind || ' kind' || hex(v.kind)
        || ' risk' || hex(coalesce(a.risk, v.risk, 'unknown')) || ' outcome' || coalesce(a.outcome, 'none') AS facets,
    v.agent || ' ' || a.name || ' ' || d.actor || ' ' || substr(a.args, 1, 4000) || ' ' || substr(coalesce(d.args, ''), 1, 4000)
        || ' ' || substr(coalesce(d.message, ''), 1, 4000) AS words
FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.review NOT IN (SELECT review FROM attention_checks);
