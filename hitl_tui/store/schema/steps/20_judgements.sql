-- Calls that a person decided with one key are one judgement: stated confidence is compared with it once for each tool.
CREATE VIEW judged_first AS  -- the first decision on a tool's calls of each judgement, and every decision that no person made
SELECT h.decision FROM history h
WHERE h.actor_kind != 'person' OR NOT EXISTS (
    SELECT 1 FROM history s
    WHERE s.at = h.at AND s.decision < h.decision AND s.actor_kind = 'person' AND s.actor_key = h.actor_key
        AND s.agent = h.agent AND s.tool = h.tool
);

DROP TRIGGER history_counted;
CREATE TRIGGER history_counted AFTER UPDATE OF in_force ON history WHEN NEW.in_force != OLD.in_force BEGIN
    INSERT OR IGNORE INTO cells (scope, agent, tool, actor, actor_key, rule)
    SELECT scope, agent, tool, actor, actor_key, rule FROM counted_in WHERE decision = NEW.decision;

    INSERT INTO tallies (scope, grain, measure, day, cell, value, count)
    SELECT c.scope, g.value, m.measure, CASE g.value WHEN 0 THEN 0 WHEN 1 THEN m.day ELSE m.week END, c.id, m.value,
        NEW.in_force - OLD.in_force
    FROM counted_in i CROSS JOIN cells c CROSS JOIN measures m CROSS JOIN json_each('[0, 1, 7]') g
    WHERE i.decision = NEW.decision AND m.decision = NEW.decision
        AND c.scope = i.scope AND c.agent = i.agent AND c.tool = i.tool AND c.actor_key = i.actor_key AND c.rule = i.rule
        AND NOT (m.measure = 'about' AND (c.scope = 'each' OR g.value = 0))
    ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;

    INSERT INTO beliefs (scope, grain, day, cell, bin, count, confidence, squares, good, believed_good)
    SELECT c.scope, g.value, CASE g.value WHEN 0 THEN 0 WHEN 1 THEN n.day ELSE n.week END, c.id,
        min(19, CAST(n.confidence * 20 AS INTEGER)), n.sign, n.sign * n.confidence, n.sign * n.confidence * n.confidence,
        n.sign * n.good, n.sign * n.good * n.confidence
    FROM (SELECT *, NEW.in_force - OLD.in_force AS sign, kind = 'approve' AS good FROM countable
            WHERE decision = NEW.decision AND is_person AND confidence IS NOT NULL
                AND decision IN (SELECT decision FROM judged_first WHERE decision = NEW.decision)) n
        CROSS JOIN counted_in i CROSS JOIN cells c CROSS JOIN json_each('[0, 1, 7]') g
    WHERE i.decision = NEW.decision AND i.scope IN ('tool', 'each')
        AND c.scope = i.scope AND c.agent = i.agent AND c.tool = i.tool AND c.actor_key = i.actor_key AND c.rule = i.rule
    ON CONFLICT (scope, grain, day, cell, bin) DO UPDATE SET count = count + excluded.count,
        confidence = confidence + excluded.confidence, squares = squares + excluded.squares, good = good + excluded.good,
        believed_good = believed_good + excluded.believed_good;
END;

DELETE FROM beliefs;
INSERT INTO beliefs (scope, grain, day, cell, bin, count, confidence, squares, good, believed_good)
SELECT c.scope, g.value,
    CASE g.value WHEN 0 THEN 0 WHEN 1 THEN CAST(h.at / 86400 AS INTEGER) ELSE (CAST(h.at / 86400 AS INTEGER) + 3) / 7 * 7 - 3 END,
    c.id, min(19, CAST(h.confidence * 20 AS INTEGER)), count(*), sum(h.confidence), sum(h.confidence * h.confidence),
    sum(h.kind = 'approve'), sum((h.kind = 'approve') * h.confidence)
FROM history h JOIN judged_first f ON f.decision = h.decision CROSS JOIN json_each('[0, 1, 7]') g JOIN cells c
    ON c.agent = h.agent AND c.tool = h.tool AND (
        (c.scope = 'tool' AND c.actor_key = '' AND c.rule = '') OR (c.scope = 'each' AND c.actor_key = h.actor_key AND c.rule = h.rule)
    )
WHERE h.in_force AND h.actor_kind = 'person' AND h.confidence BETWEEN 0 AND 1
GROUP BY 1, 2, 3, 4, 5;
