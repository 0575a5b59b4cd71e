CREATE TABLE lessons (  -- what people's rejections and corrections of a tool come to
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    topic TEXT NOT NULL,  -- what its examples have in common, e.g. `edit:subject` or `reject:too long`
    text TEXT NOT NULL,  -- as the agent reads it
    wording TEXT NOT NULL DEFAULT 'rules',  -- `rules`, the model's name, or `person`
    examples TEXT NOT NULL DEFAULT '[]',  -- decisions
    state TEXT NOT NULL DEFAULT 'proposed',  -- or `accepted`, `dropped`
    made_at REAL NOT NULL,
    actor TEXT NOT NULL DEFAULT '',
    decided_at REAL
);
CREATE UNIQUE INDEX lessons_topic ON lessons (agent, tool, topic);
CREATE TRIGGER lessons_made AFTER INSERT ON lessons BEGIN
    INSERT INTO log VALUES (NEW.made_at, 'lesson', NEW.actor, NULL, NULL, json_object('lesson', NEW.id, 'agent', NEW.agent,
        'tool', NEW.tool, 'topic', NEW.topic, 'state', NEW.state, 'text', NEW.text));
END;
CREATE TRIGGER lessons_decided AFTER UPDATE OF state, text ON lessons WHEN (NEW.state, NEW.text) IS NOT (OLD.state, OLD.text) BEGIN
    INSERT INTO log VALUES (coalesce(NEW.decided_at, NEW.made_at), 'lesson', NEW.actor, NULL, NULL, json_object('lesson', NEW.id,
        'agent', NEW.agent, 'tool', NEW.tool, 'topic', NEW.topic, 'state', NEW.state, 'text', NEW.text));
END;
