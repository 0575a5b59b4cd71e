CREATE TRIGGER shared_counted INSTEAD OF INSERT ON shared BEGIN
    UPDATE reviews SET decided = (SELECT told FROM progress WHERE review = reviews.id)
    FROM decisions n WHERE n.id = NEW.decision AND reviews.id = n.review AND slots > 1
        AND slots > (SELECT count(*) FROM decisions WHERE review = n.review AND NOT superseded);
    UPDATE reviews SET state = 'decided', decided_at = n.at, effective_at = n.effective_at, decided = (
        SELECT CASE WHEN min(d.kind) != max(d.kind) THEN 'decided' ELSE CASE max(d.kind)
            WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN
                CASE WHEN min(d.args IS NOT NULL) OR reviews.kind = 'draft' THEN 'sent back' ELSE 'rejected' END
            ELSE 'answered' END END
        FROM decisions d WHERE d.review = n.review AND NOT d.superseded)
        || coalesce(' with ' || (SELECT group_concat(actor, ' and ') FROM (
            SELECT DISTINCT e.actor FROM endorsements e JOIN decisions d ON d.review = e.review AND d.slot = e.slot
            WHERE e.review = n.review AND e.withdrawn_at IS NULL AND NOT d.superseded AND d.effect = e.effect
                AND e.actor != n.actor COLLATE NOCASE)), '')
        || ' by ' || n.actor
    FROM decisions n WHERE n.id = NEW.decision AND reviews.id = n.review AND reviews.state = 'open'
        AND slots = (SELECT count(*) FROM decisions WHERE review = n.review AND NOT superseded);
    UPDATE endorsements SET withdrawn_at = n.at  -- one's last word takes the place of one's word for others to confirm
    FROM decisions n WHERE n.id = NEW.decision AND endorsements.review = n.review AND endorsements.slot = n.slot
        AND endorsements.actor = n.actor COLLATE NOCASE AND withdrawn_at IS NULL
        AND NOT (n.actor GLOB 'policy:*' OR n.actor GLOB 'timeout:*');
    UPDATE escalations SET acknowledged_at = n.at, acknowledged_by = n.actor, next_at = NULL
    FROM decisions n WHERE n.id = NEW.decision AND escalations.review = n.review AND acknowledged_at IS NULL
        AND NOT (n.actor GLOB 'policy:*' OR n.actor GLOB 'timeout:*');
END;
