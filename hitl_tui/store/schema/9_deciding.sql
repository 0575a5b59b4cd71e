-- A person waits for every decision's commit: it writes no index that can stay as it is, and makes no list of rows in passing, as
-- SQLite does for an INSERT ... SELECT into what has triggers.
DROP INDEX reviews_once;
DROP INDEX reviews_run;
CREATE INDEX reviews_asked ON reviews (run, interrupt);
CREATE TRIGGER reviews_once BEFORE INSERT ON reviews
WHEN EXISTS (SELECT 1 FROM reviews WHERE run = NEW.run AND interrupt = NEW.interrupt AND state IN ('open', 'decided', 'submitted')) BEGIN
    SELECT RAISE(ABORT, 'the same question is in review already');
END;

DROP TRIGGER log_chained;
CREATE TRIGGER log_chained INSTEAD OF INSERT ON log BEGIN
    INSERT INTO audit VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM audit), NEW.at, NEW.kind, NEW.actor, NEW.run, NEW.review, NEW.body,
        chained(coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), ''), (SELECT coalesce(max(seq), 0) + 1 FROM audit),
            NEW.at, NEW.kind, NEW.actor, NEW.run, NEW.review, NEW.body));
END;

-- What rarely happens is a program of its own behind a view: SQLite makes room for the whole of a trigger each time it asks whether it fires.
DROP TRIGGER decisions_logged;
DROP TRIGGER decisions_counted;
DROP TRIGGER decisions_by_people;
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
CREATE VIEW shared AS SELECT id AS decision FROM decisions;  -- of one of several actions, or where others had a word before
CREATE TRIGGER decisions_shared AFTER INSERT ON decisions
WHEN (SELECT slots FROM reviews WHERE id = NEW.review) > 1
    OR EXISTS (SELECT 1 FROM endorsements WHERE review = NEW.review) OR EXISTS (SELECT 1 FROM escalations WHERE review = NEW.review) BEGIN
    INSERT INTO shared VALUES (NEW.id);
END;
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

-- All that ends with a review, and the attention check that ends with its decision.
DROP TRIGGER reviews_ended;
DROP TRIGGER escalations_over;
DROP TRIGGER attention_gone;
DROP TRIGGER attention_decided;
CREATE VIEW endings AS SELECT id AS review FROM reviews;
CREATE TRIGGER reviews_ended AFTER UPDATE OF state ON reviews
WHEN NEW.state != OLD.state AND NEW.state != 'decided' AND NEW.state NOT IN ('open', 'submitted') BEGIN  -- a longer list would be a table
    INSERT INTO endings VALUES (NEW.id);
END;
CREATE TRIGGER reviews_over INSTEAD OF INSERT ON endings BEGIN
    INSERT INTO log SELECT coalesce(applied_at, (julianday('now') - 2440587.5) * 86400.0), state, '', run, id, json_object('note', note)
    FROM reviews WHERE id = NEW.review;
    UPDATE escalations SET next_at = NULL WHERE review = NEW.review AND next_at IS NOT NULL;
    UPDATE runs SET state = 'cancelled', ended_at = coalesce(ended_at, v.opened_at) FROM reviews v  -- a check that was lost ends unsaid
    WHERE v.id = NEW.review AND runs.id = v.run AND attention AND runs.state = 'waiting' AND v.state != 'applied';
END;
CREATE VIEW found_out AS SELECT review FROM attention;
CREATE TRIGGER attention_decided AFTER UPDATE OF state ON reviews
WHEN NEW.state = 'decided' AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    INSERT INTO found_out VALUES (NEW.id);
END;
CREATE TRIGGER attention_ends INSTEAD OF INSERT ON found_out BEGIN
    UPDATE attention SET (actor, said, caught, found_at) = (
        SELECT d.actor, CASE d.kind WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN 'rejected' ELSE 'answered' END,
            CASE d.kind WHEN 'approve' THEN 0 WHEN 'edit' THEN NOT still_wrong(attention.correct, a.args, d.args) ELSE 1 END, d.at
        FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.review = NEW.review AND NOT d.superseded)
    WHERE review = NEW.review;
END;

DROP TRIGGER reviews_changed;
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews WHEN NOT (NEW.state = 'decided' AND OLD.state = 'open') BEGIN  -- that is in the log
    INSERT INTO changes (review) VALUES (NEW.id);
END;

-- What `DECIDE` finds nothing to store for comes without a review.
DROP TRIGGER decisions_again;
DROP TRIGGER attention_by_people;
CREATE TRIGGER decisions_again BEFORE INSERT ON decisions
WHEN NEW.review IS NULL OR EXISTS (SELECT 1 FROM decisions WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded)
    OR ((NEW.actor GLOB 'policy:*' OR NEW.actor GLOB 'timeout:*') AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.review)) BEGIN
    SELECT RAISE(IGNORE) WHERE NEW.review IS NULL  -- no rule and no deadline decides an attention check
        OR ((NEW.actor GLOB 'policy:*' OR NEW.actor GLOB 'timeout:*') AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.review));
    UPDATE decisions SET superseded = 1 WHERE review = NEW.review AND slot = NEW.slot AND NOT superseded;
END;
