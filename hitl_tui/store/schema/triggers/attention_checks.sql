-- An attention check is never sent to an agent, whatever program writes.
CREATE TRIGGER attention_never_sent BEFORE UPDATE OF submitted_by, submitted_at ON reviews
WHEN (NEW.submitted_by IS NOT NULL OR NEW.submitted_at IS NOT NULL) AND EXISTS (SELECT 1 FROM attention_checks WHERE review = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'an attention check is never sent to any agent');
END;

CREATE TRIGGER attention_never_driven BEFORE UPDATE OF worker ON runs WHEN NEW.worker IS NOT NULL AND NEW.attention BEGIN
    SELECT RAISE(ABORT, 'an attention check is never driven by any worker');
END;

CREATE TRIGGER attention_never_queued BEFORE UPDATE OF state ON runs
WHEN NEW.attention AND NEW.state IN ('queued', 'running', 'failed') BEGIN
    SELECT RAISE(IGNORE);
END;

CREATE TRIGGER attention_never_taken BEFORE INSERT ON takeovers WHEN (SELECT attention FROM runs WHERE id = NEW.run) BEGIN
    SELECT RAISE(ABORT, 'an attention check cannot be taken over');
END;

CREATE TRIGGER attention_stays BEFORE UPDATE OF attention ON runs WHEN NEW.attention != OLD.attention BEGIN
    SELECT RAISE(ABORT, 'a run is an attention check from its beginning or never');
END;

CREATE TRIGGER attention_kept BEFORE DELETE ON attention_checks BEGIN
    SELECT RAISE(ABORT, 'an attention check stays one');
END;
