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
