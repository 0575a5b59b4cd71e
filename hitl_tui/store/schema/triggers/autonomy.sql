CREATE TRIGGER autonomy_logged AFTER INSERT ON autonomy BEGIN
    INSERT INTO log VALUES (NEW.at, 'autonomy', NEW.actor, NULL, NULL, json_object('agent', NEW.agent, 'tool', NEW.tool, 'was', NEW.was,
        'level', NEW.level, 'why', NEW.why, 'evidence', json(NEW.evidence), 'decision', NEW.decision, 'feedback', NEW.feedback));
END;
