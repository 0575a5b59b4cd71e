CREATE TRIGGER reviews_over INSTEAD OF INSERT ON endings BEGIN
    INSERT INTO log SELECT coalesce(applied_at, (julianday('now') - 2440587.5) * 86400.0), state, '', run, id, json_object('note', note)
    FROM reviews WHERE id = NEW.review;
    UPDATE escalations SET next_at = NULL WHERE review = NEW.review AND next_at IS NOT NULL;
    UPDATE runs SET state = 'cancelled', ended_at = coalesce(ended_at, v.opened_at) FROM reviews v  -- a check that was lost ends unsaid
    WHERE v.id = NEW.review AND runs.id = v.run AND attention AND runs.state = 'waiting' AND v.state != 'applied';
END;
