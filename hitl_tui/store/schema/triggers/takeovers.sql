CREATE TRIGGER takeovers_made AFTER INSERT ON takeovers BEGIN
    INSERT INTO changes (run) VALUES (NEW.run);
    INSERT INTO log VALUES (NEW.at, 'taken_over', NEW.actor, NEW.run, NULL,
        json_object('takeover', NEW.id, 'head', NEW.head, 'reason', NEW.reason));
END;

CREATE TRIGGER takeovers_changed AFTER UPDATE OF state ON takeovers WHEN NEW.state != OLD.state BEGIN
    INSERT INTO changes (run) VALUES (NEW.run);
    INSERT INTO log SELECT coalesce(NEW.ended_at, NEW.handed_back_at), CASE NEW.state WHEN 'handed_back' THEN 'handed_back'
        WHEN 'discarded' THEN 'discarded' ELSE 'take_over_' || NEW.state END, CASE NEW.state WHEN 'handed_back' THEN NEW.actor
        WHEN 'discarded' THEN NEW.actor ELSE '' END, NEW.run, NULL, json_object('takeover', NEW.id, 'note', NEW.note,
        'plan', json(CASE NEW.state WHEN 'handed_back' THEN NEW.plan ELSE 'null' END))
    WHERE NEW.state != 'submitted';
END;

CREATE TRIGGER attention_never_taken BEFORE INSERT ON takeovers WHEN (SELECT attention FROM runs WHERE id = NEW.run) BEGIN
    SELECT RAISE(ABORT, 'an attention check is in no agent''s place');
END;
