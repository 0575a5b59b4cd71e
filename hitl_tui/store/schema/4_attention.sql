ALTER TABLE actions ADD COLUMN spot_check INTEGER NOT NULL DEFAULT 0;  -- it would have gone on by itself, and was picked for a person
ALTER TABLE runs ADD COLUMN attention INTEGER NOT NULL DEFAULT 0;  -- no agent's: it only carries an attention check
CREATE INDEX runs_attention ON runs (project) WHERE attention;

CREATE TABLE attention (  -- reviews that are attention checks: clearly wrong, and nothing that anybody could ever run
    review INTEGER PRIMARY KEY REFERENCES reviews,
    source INTEGER NOT NULL,  -- the review that its action was made after
    wrong TEXT NOT NULL,  -- what is clearly wrong about it, as a clause
    correct TEXT NOT NULL,  -- the arguments it was made after
    made_at REAL NOT NULL,
    last INTEGER NOT NULL,  -- the newest decision when it was made: the next check is counted from there
    actor TEXT NOT NULL DEFAULT '',  -- who it was found by, or let it pass
    said TEXT NOT NULL DEFAULT '',  -- what they did, e.g. `approved` or `escalated to bob`
    caught INTEGER,  -- NULL until somebody said anything
    found_at REAL
);

-- It cannot run, whatever program writes: no worker has it, nothing of it is sent, no take-over begins.
CREATE TRIGGER attention_never_sent BEFORE UPDATE OF submitted_by, submitted_at ON reviews
WHEN (NEW.submitted_by IS NOT NULL OR NEW.submitted_at IS NOT NULL) AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'an attention check is never sent to any agent');
END;
CREATE TRIGGER attention_never_driven BEFORE UPDATE OF worker ON runs WHEN NEW.worker IS NOT NULL AND NEW.attention BEGIN
    SELECT RAISE(ABORT, 'an attention check is never driven by any worker');
END;
CREATE TRIGGER attention_never_queued BEFORE UPDATE OF state ON runs WHEN NEW.attention AND NEW.state IN ('queued', 'running', 'failed') BEGIN
    SELECT RAISE(IGNORE);
END;
CREATE TRIGGER attention_never_taken BEFORE INSERT ON takeovers WHEN (SELECT attention FROM runs WHERE id = NEW.run) BEGIN
    SELECT RAISE(ABORT, 'an attention check is in no agent''s place');
END;
CREATE TRIGGER attention_stays BEFORE UPDATE OF attention ON runs WHEN NEW.attention != OLD.attention BEGIN
    SELECT RAISE(ABORT, 'a run is an attention check from its beginning or never');
END;
CREATE TRIGGER attention_kept BEFORE DELETE ON attention BEGIN
    SELECT RAISE(ABORT, 'what was an attention check stays one');
END;
CREATE TRIGGER attention_by_people BEFORE INSERT ON decisions  -- no rule and no deadline decides it
WHEN (NEW.actor GLOB 'policy:*' OR NEW.actor GLOB 'timeout:*') AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.review) BEGIN
    SELECT RAISE(IGNORE);
END;

-- It ends with the decision, in the same statement: there is no grace time, and nothing to undo.
CREATE TRIGGER attention_decided AFTER UPDATE OF state ON reviews
WHEN NEW.state = 'decided' AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    UPDATE attention SET (actor, said, caught, found_at) = (
        SELECT d.actor, CASE d.kind WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN 'rejected' ELSE 'answered' END,
            CASE d.kind WHEN 'approve' THEN 0 WHEN 'edit' THEN NOT still_wrong(attention.correct, a.args, d.args) ELSE 1 END, d.at
        FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.review = NEW.id AND NOT d.superseded)
    WHERE review = NEW.id;
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
CREATE TRIGGER attention_gone AFTER UPDATE OF state ON reviews  -- what was lost ends unsaid
WHEN NEW.state IN ('stale', 'expired', 'failed') AND EXISTS (SELECT 1 FROM attention WHERE review = NEW.id) BEGIN
    UPDATE runs SET state = 'cancelled', ended_at = coalesce(ended_at, NEW.opened_at) WHERE id = NEW.run AND attention AND state = 'waiting';
END;

DROP TRIGGER actions_ruled;
CREATE TRIGGER actions_ruled AFTER INSERT ON actions WHEN NEW.outcome IS NOT NULL BEGIN
    INSERT INTO rule_counts (rule, outcome, actions, last_at)
    SELECT NEW.rule, NEW.outcome, 1, v.opened_at FROM reviews v JOIN runs r ON r.id = v.run WHERE v.id = NEW.review AND NOT r.attention
    ON CONFLICT (rule, outcome) DO UPDATE SET actions = actions + 1, last_at = excluded.last_at;
END;
