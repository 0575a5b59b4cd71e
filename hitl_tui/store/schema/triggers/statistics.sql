-- History follows its decisions, and the counters follow the history. A row is inserted with `in_force` 0 and then stands,
-- so that a decision is counted, and counted no more, in one place.
CREATE TRIGGER history_follows AFTER UPDATE OF superseded ON decisions WHEN NEW.superseded != OLD.superseded BEGIN
    UPDATE history SET in_force = NOT NEW.superseded WHERE decision = NEW.id;
END;

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
            WHERE decision = NEW.decision AND is_person AND confidence IS NOT NULL) n
        CROSS JOIN counted_in i CROSS JOIN cells c CROSS JOIN json_each('[0, 1, 7]') g
    WHERE i.decision = NEW.decision AND i.scope IN ('tool', 'each')
        AND c.scope = i.scope AND c.agent = i.agent AND c.tool = i.tool AND c.actor_key = i.actor_key AND c.rule = i.rule
    ON CONFLICT (scope, grain, day, cell, bin) DO UPDATE SET count = count + excluded.count,
        confidence = confidence + excluded.confidence, squares = squares + excluded.squares, good = good + excluded.good,
        believed_good = believed_good + excluded.believed_good;
END;

CREATE TRIGGER history_teaches AFTER UPDATE OF in_force ON history  -- lessons are drawn anew from what was refused or corrected
WHEN NEW.in_force != OLD.in_force AND NEW.kind IN ('edit', 'reject') AND NEW.actor_kind = 'person' BEGIN
    INSERT INTO lessons_due (agent, tool) VALUES (NEW.agent, NEW.tool) ON CONFLICT (agent, tool) DO UPDATE SET news = news + 1;
END;
