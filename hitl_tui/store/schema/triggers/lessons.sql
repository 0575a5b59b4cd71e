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
