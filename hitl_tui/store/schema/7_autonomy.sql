CREATE TABLE autonomy (  -- every change of a level; the last one of an agent's tool holds
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    was TEXT NOT NULL,
    level TEXT NOT NULL,
    actor TEXT NOT NULL,  -- a person, or `autonomy` where it fell by itself
    at REAL NOT NULL,
    why TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '{}',
    decision INTEGER,  -- by which it fell
    feedback INTEGER  -- by which it fell
);
CREATE INDEX autonomy_of ON autonomy (agent, tool, id);
CREATE VIEW levels AS SELECT * FROM autonomy a WHERE id = (SELECT max(id) FROM autonomy WHERE agent = a.agent AND tool = a.tool);
CREATE TRIGGER autonomy_logged AFTER INSERT ON autonomy BEGIN
    INSERT INTO log VALUES (NEW.at, 'autonomy', NEW.actor, NULL, NULL, json_object('agent', NEW.agent, 'tool', NEW.tool, 'was', NEW.was,
        'level', NEW.level, 'why', NEW.why, 'evidence', json(NEW.evidence), 'decision', NEW.decision, 'feedback', NEW.feedback));
END;
