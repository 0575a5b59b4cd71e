CREATE TRIGGER decisions_undone AFTER UPDATE OF undone_at ON decisions WHEN NEW.undone_at IS NOT NULL AND OLD.undone_at IS NULL BEGIN
    INSERT INTO log SELECT NEW.undone_at, 'undone', NEW.actor, v.run, v.id, json_object('decision', NEW.id)
    FROM reviews v WHERE v.id = NEW.review;
END;

CREATE TRIGGER decisions_fallen AFTER UPDATE OF superseded ON decisions WHEN NEW.superseded != OLD.superseded BEGIN
    UPDATE history SET standing = NOT NEW.superseded WHERE decision = NEW.id;
END;

CREATE TRIGGER decisions_lower AFTER INSERT ON decisions
WHEN NEW.kind != 'approve' AND NEW.actor NOT GLOB 'policy:*' AND NEW.actor NOT GLOB 'timeout:*'
    AND (SELECT spot_check FROM actions WHERE review = NEW.review AND slot = NEW.slot)
    AND NOT EXISTS (SELECT 1 FROM attention WHERE review = NEW.review) BEGIN
    INSERT INTO falls (decision, at, why) VALUES (NEW.id, NEW.at, NEW.actor || CASE NEW.kind WHEN 'edit' THEN ' edited'
        WHEN 'reject' THEN ' rejected' ELSE ' answered in place of' END || ' a spot check, review ' || NEW.review);
END;

CREATE TRIGGER decisions_raise AFTER UPDATE OF superseded ON decisions  -- taken back, or said anew while it could be: that lowers nothing,
WHEN NEW.superseded AND NOT OLD.superseded AND EXISTS (SELECT 1 FROM autonomy WHERE decision = NEW.id)  -- unless a person has spoken since
    AND (NEW.undone_at IS NOT NULL OR (SELECT state = 'open' AND decided_at IS NULL FROM reviews WHERE id = NEW.review)) BEGIN
    INSERT INTO autonomy (agent, tool, was, level, actor, at, why, decision)
    SELECT l.agent, l.tool, l.level, CASE l.level WHEN 'ask' THEN 'threshold' WHEN 'threshold' THEN 'spot checks' ELSE 'act' END,
        'autonomy', coalesce(NEW.undone_at, (julianday('now') - 2440587.5) * 86400.0), 'the decision was taken back', NEW.id
    FROM autonomy f JOIN levels l ON l.agent = f.agent AND l.tool = f.tool
    WHERE f.decision = NEW.id AND NOT EXISTS
        (SELECT 1 FROM autonomy p WHERE p.agent = f.agent AND p.tool = f.tool AND p.id > f.id AND p.decision IS NULL);
END;

CREATE TRIGGER decisions_made AFTER INSERT ON decisions BEGIN
    INSERT INTO log VALUES (NEW.at, 'decided', NEW.actor, (SELECT run FROM reviews WHERE id = NEW.review), NEW.review,
        json_object('decision', NEW.id, 'slot', NEW.slot, 'kind', NEW.kind, 'digest', NEW.digest, 'args', NEW.args,
            'message', NEW.message, 'looked_ms', NEW.looked_ms));
    UPDATE reviews SET state = 'decided', decided_at = NEW.at, effective_at = NEW.effective_at,
        decided = CASE NEW.kind WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited'
            WHEN 'reject' THEN CASE WHEN NEW.args IS NOT NULL OR kind = 'draft' THEN 'sent back' ELSE 'rejected' END
            ELSE 'answered' END || ' by ' || NEW.actor
    WHERE id = NEW.review AND state = 'open' AND slots = 1 AND NOT EXISTS (SELECT 1 FROM endorsements WHERE review = NEW.review);
END;

CREATE TRIGGER decisions_shared AFTER INSERT ON decisions
WHEN (SELECT slots FROM reviews WHERE id = NEW.review) > 1
    OR EXISTS (SELECT 1 FROM endorsements WHERE review = NEW.review) OR EXISTS (SELECT 1 FROM escalations WHERE review = NEW.review) BEGIN
    INSERT INTO shared VALUES (NEW.id);
END;

CREATE TRIGGER decisions_again BEFORE INSERT ON decisions
WHEN NEW.review IS NULL OR EXISTS (SELECT 1 FROM decisions WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded)
    OR ((NEW.actor GLOB 'policy:*' OR NEW.actor GLOB 'timeout:*') AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.review)) BEGIN
    SELECT RAISE(IGNORE) WHERE NEW.review IS NULL  -- no rule and no deadline decides an attention check
        OR ((NEW.actor GLOB 'policy:*' OR NEW.actor GLOB 'timeout:*') AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.review));
    UPDATE decisions SET superseded = 1 WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded;
END;
