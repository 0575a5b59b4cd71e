CREATE TRIGGER escalations_logged AFTER INSERT ON escalations BEGIN
    INSERT INTO log VALUES (NEW.at, 'escalated', NEW.actor, NEW.run, NEW.review,
        json_object('to', NEW.recipient, 'why', NEW.why, 'note', NEW.note, 'step', NEW.step));
END;

CREATE TRIGGER escalations_routed AFTER UPDATE OF recipient ON escalations WHEN NEW.recipient != OLD.recipient BEGIN
    INSERT INTO log VALUES (NEW.at, 'escalated', 'policy:escalation', NEW.run, NEW.review,
        json_object('to', NEW.recipient, 'why', NEW.why, 'note', '', 'step', NEW.step));
END;
