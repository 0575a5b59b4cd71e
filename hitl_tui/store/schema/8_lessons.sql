CREATE TABLE lessons (  -- what people's rejections and corrections of a tool come to
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    topic TEXT NOT NULL,  -- what its examples have in common, e.g. `edit:subject` or `reject:too long`
    gist TEXT NOT NULL,  -- what the rules make of it, without figures: while that stays the same, other words for it stay too
    text TEXT NOT NULL,  -- as the agent reads it
    wording TEXT NOT NULL DEFAULT 'rules',  -- `rules`, the model's name, or `person`
    asked TEXT NOT NULL DEFAULT '',  -- the model that was asked for other words, and had none that could be used
    examples TEXT NOT NULL DEFAULT '[]',  -- decisions, the oldest first
    state TEXT NOT NULL DEFAULT 'proposed',  -- or `accepted`, `dropped`
    made_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    actor TEXT NOT NULL DEFAULT '',
    decided_at REAL,
    decided_after INTEGER,  -- the last decision there was then
    rev INTEGER NOT NULL DEFAULT 0  -- grows with every change of any of them
);
CREATE UNIQUE INDEX lessons_topic ON lessons (agent, tool, topic);
CREATE INDEX lessons_rev ON lessons (rev);
CREATE TRIGGER lessons_made AFTER INSERT ON lessons BEGIN
    UPDATE lessons SET rev = 1 + (SELECT max(rev) FROM lessons) WHERE id = NEW.id;
    INSERT INTO log VALUES (NEW.changed_at, 'lesson', NEW.actor, NULL, NULL, json_object('lesson', NEW.id, 'agent', NEW.agent,
        'tool', NEW.tool, 'topic', NEW.topic, 'state', NEW.state, 'wording', NEW.wording, 'text', NEW.text));
END;
CREATE TRIGGER lessons_changed AFTER UPDATE OF state, text ON lessons WHEN (NEW.state, NEW.text) IS NOT (OLD.state, OLD.text) BEGIN
    UPDATE lessons SET rev = 1 + (SELECT max(rev) FROM lessons) WHERE id = NEW.id;
    INSERT INTO log VALUES (NEW.changed_at, 'lesson', NEW.actor, NULL, NULL, json_object('lesson', NEW.id, 'agent', NEW.agent,
        'tool', NEW.tool, 'topic', NEW.topic, 'state', NEW.state, 'wording', NEW.wording, 'text', NEW.text));
END;

CREATE INDEX history_refused ON history (agent, tool, decision)
    WHERE standing AND kind IN ('edit', 'reject') AND actor NOT GLOB 'policy:*' AND actor NOT GLOB 'timeout:*';
CREATE TABLE unlearnt (  -- tools of which something was rejected or corrected, or that taken back, since lessons were drawn from them
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    news INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (agent, tool)
) WITHOUT ROWID;
CREATE TRIGGER history_teaches AFTER INSERT ON history WHEN NEW.standing AND NEW.kind IN ('edit', 'reject')
    AND NEW.actor NOT GLOB 'policy:*' AND NEW.actor NOT GLOB 'timeout:*' BEGIN
    INSERT INTO unlearnt (agent, tool) VALUES (NEW.agent, NEW.tool) ON CONFLICT (agent, tool) DO UPDATE SET news = news + 1;
END;
CREATE TRIGGER history_unteaches AFTER UPDATE OF standing ON history WHEN NEW.standing != OLD.standing AND NEW.kind IN ('edit', 'reject')
    AND NEW.actor NOT GLOB 'policy:*' AND NEW.actor NOT GLOB 'timeout:*' BEGIN
    INSERT INTO unlearnt (agent, tool) VALUES (NEW.agent, NEW.tool) ON CONFLICT (agent, tool) DO UPDATE SET news = news + 1;
END;
