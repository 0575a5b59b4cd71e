CREATE TRIGGER attention_kept BEFORE DELETE ON attention BEGIN
    SELECT RAISE(ABORT, 'what was an attention check stays one');
END;

CREATE TRIGGER attention_over AFTER UPDATE OF caught ON attention WHEN NEW.caught IS NOT NULL AND OLD.caught IS NULL BEGIN
    INSERT INTO log SELECT NEW.found_at, 'attention', NEW.actor, v.run, v.id,
        json_object('caught', NEW.caught, 'said', NEW.said, 'wrong', NEW.wrong, 'source', NEW.source)
    FROM reviews v WHERE v.id = NEW.review;
    UPDATE decisions SET effective_at = NEW.found_at WHERE review = NEW.review AND NOT superseded;
    UPDATE reviews SET state = 'applied', applied_at = NEW.found_at, effective_at = NEW.found_at, decided_at = coalesce(decided_at, NEW.found_at),
        decided = CASE decided WHEN '' THEN NEW.said || ' by ' || NEW.actor ELSE decided END, claimed_by = NULL, claimed_until = NULL
    WHERE id = NEW.review;
    UPDATE runs SET state = 'done', ended_at = NEW.found_at, activity = '',
        result = json_object('attention_check', CASE NEW.caught WHEN 1 THEN 'caught' ELSE 'missed' END || ': ' || NEW.wrong)
    WHERE id = (SELECT run FROM reviews WHERE id = NEW.review);
END;
