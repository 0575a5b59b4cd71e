CREATE TRIGGER reviews_made AFTER INSERT ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;

CREATE TRIGGER reviews_submitted BEFORE UPDATE OF submitted_by ON reviews  -- who submits an answer takes the lease, or fails
WHEN NEW.submitted_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE id = NEW.run AND worker = NEW.submitted_by) BEGIN
    SELECT RAISE(IGNORE) FROM runs WHERE id = NEW.run AND (state != 'waiting' OR worker IS NOT NULL);
    UPDATE runs SET state = 'running', worker = NEW.submitted_by, activity = 'resuming', leased_at = NEW.submitted_at
    WHERE id = NEW.run;
END;

CREATE TRIGGER reviews_logged AFTER INSERT ON reviews BEGIN
    INSERT INTO log VALUES (NEW.opened_at, 'opened', 'agent:' || NEW.agent, NEW.run, NEW.id,
        json_object('kind', NEW.kind, 'title', NEW.title, 'interrupt', NEW.interrupt, 'route', NEW.route, 'note', NEW.note));
END;

CREATE TRIGGER attention_never_sent BEFORE UPDATE OF submitted_by, submitted_at ON reviews
WHEN (NEW.submitted_by IS NOT NULL OR NEW.submitted_at IS NOT NULL) AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'an attention check is never sent to any agent');
END;

CREATE TRIGGER reviews_once BEFORE INSERT ON reviews
WHEN EXISTS (SELECT 1 FROM reviews WHERE run = NEW.run AND interrupt = NEW.interrupt AND state IN ('open', 'decided', 'submitted')) BEGIN
    SELECT RAISE(ABORT, 'the same question is in review already');
END;

CREATE TRIGGER reviews_ended AFTER UPDATE OF state ON reviews
WHEN NEW.state != OLD.state AND NEW.state != 'decided' AND NEW.state NOT IN ('open', 'submitted') BEGIN  -- a longer list would be a table
    INSERT INTO endings VALUES (NEW.id);
END;

CREATE TRIGGER attention_decided AFTER UPDATE OF state ON reviews
WHEN NEW.state = 'decided' AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    INSERT INTO found_out VALUES (NEW.id);
END;

CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews WHEN NOT (NEW.state = 'decided' AND OLD.state = 'open') BEGIN  -- that is in the log
    INSERT INTO changes (review) VALUES (NEW.id);
END;
