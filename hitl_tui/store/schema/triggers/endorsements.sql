CREATE TRIGGER endorsements_again BEFORE INSERT ON endorsements BEGIN  -- a newer word takes the place of one's older one
    UPDATE endorsements SET withdrawn_at = NEW.at
    WHERE review = NEW.review AND slot = NEW.slot AND actor = NEW.actor COLLATE NOCASE AND withdrawn_at IS NULL;
    UPDATE decisions SET superseded = 1 WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded;
END;

CREATE TRIGGER endorsements_logged AFTER INSERT ON endorsements BEGIN
    INSERT INTO log SELECT NEW.at, 'endorsed', NEW.actor, v.run, v.id, json_object('endorsement', NEW.id, 'slot', NEW.slot,
        'kind', NEW.kind, 'digest', NEW.digest, 'args', NEW.args, 'message', NEW.message, 'looked_ms', NEW.looked_ms)
    FROM reviews v WHERE v.id = NEW.review;
    INSERT INTO log SELECT NEW.at, 'released', NEW.actor, v.run, v.id, json_object('reason', 'another person must approve the same')
    FROM reviews v WHERE v.id = NEW.review AND v.claimed_by = NEW.actor COLLATE NOCASE AND v.claimed_until > NEW.at;
    UPDATE reviews SET claimed_by = NULL, claimed_until = NULL WHERE id = NEW.review AND claimed_by = NEW.actor COLLATE NOCASE;
    UPDATE reviews SET decided = (SELECT told FROM progress WHERE review = NEW.review) WHERE id = NEW.review;
END;

CREATE TRIGGER endorsements_withdrawn AFTER UPDATE OF withdrawn_at ON endorsements BEGIN
    UPDATE reviews SET decided = (SELECT told FROM progress WHERE review = NEW.review)
    WHERE id = NEW.review AND state = 'open';
END;
