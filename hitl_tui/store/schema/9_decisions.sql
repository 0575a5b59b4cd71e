DROP TRIGGER decisions_counted;  -- as before, but nothing is gathered that is not there: people wait for every decision's commit
CREATE TRIGGER decisions_counted AFTER INSERT ON decisions BEGIN
    UPDATE reviews SET decided = (SELECT told FROM progress WHERE review = NEW.review)
    WHERE id = NEW.review AND slots > 1 AND slots > (SELECT count(*) FROM decisions WHERE review = NEW.review AND NOT superseded);
    UPDATE reviews SET state = 'decided', decided_at = NEW.at, effective_at = NEW.effective_at, decided = (
        SELECT CASE WHEN min(kind) != max(kind) THEN 'decided' ELSE CASE max(kind)
            WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN
                CASE WHEN min(args IS NOT NULL) OR (SELECT kind FROM reviews WHERE id = NEW.review) = 'draft'
                THEN 'sent back' ELSE 'rejected' END
            ELSE 'answered' END END
        FROM decisions WHERE review = NEW.review AND NOT superseded)
        || CASE WHEN EXISTS (SELECT 1 FROM endorsements WHERE review = NEW.review) THEN
            coalesce(' with ' || (SELECT group_concat(actor, ' and ') FROM (
                SELECT DISTINCT e.actor FROM endorsements e JOIN decisions d ON d.review = e.review AND d.slot = e.slot
                WHERE e.review = NEW.review AND e.withdrawn_at IS NULL AND NOT d.superseded AND d.effect = e.effect
                    AND e.actor != NEW.actor COLLATE NOCASE)), '') ELSE '' END
        || ' by ' || NEW.actor
    WHERE id = NEW.review
        AND (slots = 1 OR slots = (SELECT count(*) FROM decisions WHERE review = NEW.review AND NOT superseded));
END;
DROP TRIGGER decisions_by_people;
CREATE TRIGGER decisions_by_people AFTER INSERT ON decisions
WHEN NOT (NEW.actor GLOB 'policy:*' OR NEW.actor GLOB 'timeout:*')
    AND (EXISTS (SELECT 1 FROM endorsements WHERE review = NEW.review) OR EXISTS (SELECT 1 FROM escalations WHERE review = NEW.review)) BEGIN
    UPDATE endorsements SET withdrawn_at = NEW.at
    WHERE review = NEW.review AND slot = NEW.slot AND actor = NEW.actor COLLATE NOCASE AND withdrawn_at IS NULL;
    UPDATE escalations SET acknowledged_at = NEW.at, acknowledged_by = NEW.actor, next_at = NULL
    WHERE review = NEW.review AND acknowledged_at IS NULL;
END;
DROP TRIGGER decisions_again;
CREATE TRIGGER decisions_again BEFORE INSERT ON decisions
WHEN EXISTS (SELECT 1 FROM decisions WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded) BEGIN
    UPDATE decisions SET superseded = 1 WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded;
END;
