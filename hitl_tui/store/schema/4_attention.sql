ALTER TABLE actions ADD COLUMN spot_check INTEGER NOT NULL DEFAULT 0;  -- it would have gone on by itself, and was picked for a person
ALTER TABLE runs ADD COLUMN attention INTEGER NOT NULL DEFAULT 0;  -- no agent's: it only carries an attention check

CREATE TABLE attention (  -- reviews that are attention checks: clearly wrong, and nothing that anybody could ever run
    review INTEGER PRIMARY KEY REFERENCES reviews,
    source INTEGER NOT NULL,  -- the review that its action was made after
    wrong TEXT NOT NULL,  -- what is clearly wrong about it, as a clause
    made_at REAL NOT NULL,
    actor TEXT NOT NULL DEFAULT '',  -- who it was found by, or let it pass
    caught INTEGER,  -- NULL until somebody said anything
    found_at REAL
);
CREATE TRIGGER attention_never_sent BEFORE UPDATE OF submitted_by ON reviews
WHEN NEW.submitted_by IS NOT NULL AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'an attention check is never sent to any agent');
END;
CREATE TRIGGER attention_never_driven BEFORE UPDATE OF worker ON runs WHEN NEW.worker IS NOT NULL AND NEW.attention BEGIN
    SELECT RAISE(ABORT, 'an attention check is never driven by any worker');
END;
CREATE TRIGGER attention_logged AFTER UPDATE OF caught ON attention WHEN NEW.caught IS NOT OLD.caught BEGIN
    INSERT INTO log SELECT NEW.found_at, 'attention', NEW.actor, v.run, v.id, json_object('caught', NEW.caught, 'wrong', NEW.wrong)
    FROM reviews v WHERE v.id = NEW.review;
END;
