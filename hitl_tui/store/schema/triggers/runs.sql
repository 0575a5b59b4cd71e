CREATE TRIGGER runs_made AFTER INSERT ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;

CREATE TRIGGER runs_changed AFTER UPDATE ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;

CREATE TRIGGER runs_failed AFTER UPDATE OF state ON runs WHEN NEW.state = 'failed' AND OLD.state != 'failed' BEGIN
    INSERT OR IGNORE INTO failures VALUES (NEW.id);
END;

CREATE TRIGGER runs_go_on AFTER UPDATE OF state ON runs WHEN OLD.state = 'failed' AND NEW.state != 'failed' BEGIN
    DELETE FROM failures WHERE run = NEW.id;
    UPDATE reviews SET state = 'stale', note = 'the run goes on'
    WHERE run = NEW.id AND kind = 'failure' AND state IN ('open', 'decided');
END;

CREATE TRIGGER takeovers_passed AFTER UPDATE OF state ON runs WHEN NEW.state != OLD.state BEGIN  -- what moves by other means
    UPDATE takeovers SET ended_at = (julianday('now') - 2440587.5) * 86400.0,
        state = CASE WHEN state = 'submitted' THEN 'failed' WHEN NEW.state = 'cancelled' THEN 'discarded' ELSE 'stale' END,
        note = CASE WHEN state = 'submitted' THEN 'may have been applied: the run was ' || NEW.state || ' meanwhile'
            WHEN NEW.state = 'cancelled' THEN 'the run was cancelled' ELSE 'the run went on meanwhile' END
    WHERE run = NEW.id AND state IN ('open', 'handed_back', 'submitted')
        AND (state != 'submitted' OR NEW.state IN ('failed', 'cancelled'));
END;

CREATE TRIGGER runs_logged AFTER INSERT ON runs BEGIN
    INSERT INTO log VALUES (NEW.created_at, 'launched', NEW.launched_by, NEW.id, NULL,
        json_object('agent', NEW.agent, 'thread', NEW.thread, 'title', NEW.title));
END;

CREATE TRIGGER attention_never_driven BEFORE UPDATE OF worker ON runs WHEN NEW.worker IS NOT NULL AND NEW.attention BEGIN
    SELECT RAISE(ABORT, 'an attention check is never driven by any worker');
END;

CREATE TRIGGER attention_never_queued BEFORE UPDATE OF state ON runs WHEN NEW.attention AND NEW.state IN ('queued', 'running', 'failed') BEGIN
    SELECT RAISE(IGNORE);
END;

CREATE TRIGGER attention_stays BEFORE UPDATE OF attention ON runs WHEN NEW.attention != OLD.attention BEGIN
    SELECT RAISE(ABORT, 'a run is an attention check from its beginning or never');
END;
