CREATE TRIGGER falls_happen INSTEAD OF INSERT ON falls BEGIN
    INSERT INTO autonomy (agent, tool, was, level, actor, at, why, decision, feedback)
    SELECT l.agent, l.tool, l.level, CASE l.level WHEN 'act' THEN 'spot checks' WHEN 'spot checks' THEN 'threshold' ELSE 'ask' END,
        'autonomy', NEW.at, NEW.why, d.id, NEW.feedback
    FROM decisions d JOIN levels l ON l.agent = d.agent AND l.tool = d.tool
    WHERE d.id = NEW.decision AND l.level != 'ask' AND NOT EXISTS (SELECT 1 FROM autonomy WHERE decision = d.id)
        AND NOT EXISTS (SELECT 1 FROM decisions o JOIN autonomy f ON f.decision = o.id  -- sent, come back, and refused again: the same call
            WHERE o.review = d.review AND o.slot = d.slot GROUP BY o.id HAVING count(*) = 1 AND o.undone_at IS NULL);
END;
