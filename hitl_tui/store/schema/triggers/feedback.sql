CREATE TRIGGER feedback_logged AFTER INSERT ON feedback BEGIN
    INSERT INTO log VALUES (NEW.at, 'rated', NEW.actor, NEW.run, NEW.review, json_object('feedback', NEW.id, 'slot', NEW.slot,
        'event', NEW.event, 'thumb', NEW.thumb, 'comment', NEW.comment, 'tags', json(NEW.tags)));
    INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review);
END;

CREATE TRIGGER feedback_withdrawn AFTER UPDATE OF withdrawn_at ON feedback WHEN NEW.withdrawn_at IS NOT NULL AND OLD.withdrawn_at IS NULL BEGIN
    INSERT INTO log VALUES (NEW.withdrawn_at, 'unrated', NEW.actor, NEW.run, NEW.review, json_object('feedback', NEW.id));
    INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review);
END;

CREATE TRIGGER feedback_lowers AFTER INSERT ON feedback WHEN NEW.thumb < 0 AND NEW.decision IS NOT NULL BEGIN
    INSERT INTO falls (decision, feedback, at, why)
    SELECT d.id, NEW.id, NEW.at, NEW.actor || ' put a thumb down on '
        || CASE a.spot_check WHEN 1 THEN 'a spot check' ELSE 'what went on by itself' END || ', review ' || d.review
    FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot
    WHERE d.id = NEW.decision AND d.kind = 'approve' AND (d.actor GLOB 'policy:*' OR a.spot_check);
END;
