CREATE TRIGGER history_named AFTER INSERT ON history BEGIN
    INSERT OR IGNORE INTO history_names (field, name)
    VALUES ('agent', lower(NEW.agent)), ('tool', lower(NEW.tool)), ('actor', lower(NEW.actor)), ('rule', lower(NEW.rule));
END;

CREATE TRIGGER history_counted AFTER INSERT ON history WHEN NEW.standing BEGIN
    INSERT INTO counting SELECT 1, * FROM countable WHERE decision = NEW.decision;
END;

CREATE TRIGGER history_recounted AFTER UPDATE OF standing ON history WHEN NEW.standing != OLD.standing BEGIN
    INSERT INTO counting SELECT NEW.standing - OLD.standing, * FROM countable WHERE decision = NEW.decision;
END;

CREATE TRIGGER history_teaches AFTER INSERT ON history WHEN NEW.standing AND NEW.kind IN ('edit', 'reject')
    AND NEW.actor NOT GLOB 'policy:*' AND NEW.actor NOT GLOB 'timeout:*' BEGIN
    INSERT INTO unlearnt (agent, tool) VALUES (NEW.agent, NEW.tool) ON CONFLICT (agent, tool) DO UPDATE SET news = news + 1;
END;

CREATE TRIGGER history_unteaches AFTER UPDATE OF standing ON history WHEN NEW.standing != OLD.standing AND NEW.kind IN ('edit', 'reject')
    AND NEW.actor NOT GLOB 'policy:*' AND NEW.actor NOT GLOB 'timeout:*' BEGIN
    INSERT INTO unlearnt (agent, tool) VALUES (NEW.agent, NEW.tool) ON CONFLICT (agent, tool) DO UPDATE SET news = news + 1;
END;
