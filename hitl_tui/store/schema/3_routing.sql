ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN launched_by TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN state_schema TEXT;  -- JSON Schema of the graph's state
ALTER TABLE agents ADD COLUMN tools TEXT NOT NULL DEFAULT '{}';  -- JSON Schemas of arguments, by tool
ALTER TABLE actions ADD COLUMN declared TEXT;  -- the risk that the graph or the tool told; `risk` is what policy judged by
UPDATE actions SET declared = risk;
ALTER TABLE actions ADD COLUMN reviewers INTEGER NOT NULL DEFAULT 1;  -- different people who must let it happen
ALTER TABLE reviews ADD COLUMN recipient TEXT NOT NULL DEFAULT '';  -- the group or person it is meant for
ALTER TABLE reviews ADD COLUMN deadline_at REAL;
ALTER TABLE reviews ADD COLUMN deadline_then TEXT NOT NULL DEFAULT '';  -- `escalate` or `reject`
ALTER TABLE reviews ADD COLUMN deadline_rule TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN claimed_by TEXT;
ALTER TABLE reviews ADD COLUMN claimed_until REAL;
ALTER TABLE reviews ADD COLUMN escalated TEXT NOT NULL DEFAULT '';  -- to whom it was escalated last, `anybody` where to nobody by name
CREATE INDEX reviews_deadline ON reviews (deadline_at) WHERE state = 'open' AND deadline_at IS NOT NULL;

CREATE TABLE endorsements (  -- what one of several people who are needed said; the last of them makes the decision
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    digest TEXT NOT NULL,
    effect TEXT NOT NULL,  -- digest of what it makes happen: two people must mean the same
    at REAL NOT NULL,
    looked_ms INTEGER,
    withdrawn_at REAL
);
CREATE UNIQUE INDEX endorsements_one ON endorsements (review, slot, actor) WHERE withdrawn_at IS NULL;
CREATE VIEW progress AS  -- how far people have come with an open review, in words
    SELECT v.id AS review, ltrim(coalesce(
        nullif((SELECT count(*) FROM decisions WHERE review = v.id AND NOT superseded), 0) || ' of ' || v.slots || ' decided', '')
        || coalesce((SELECT group_concat('; ' || said, '') FROM (
            SELECT DISTINCT count(*) || ' of ' || a.reviewers || CASE min(e.kind) WHEN 'approve' THEN ' approvals'
                WHEN 'edit' THEN ' edits' ELSE ' answers' END || ', by ' || group_concat(e.actor, ' and ') AS said
            FROM endorsements e JOIN actions a ON a.review = e.review AND a.slot = e.slot
            WHERE e.review = v.id AND e.withdrawn_at IS NULL AND NOT EXISTS
                (SELECT 1 FROM decisions d WHERE d.review = e.review AND d.slot = e.slot AND NOT d.superseded)
            GROUP BY e.slot, e.effect ORDER BY min(e.id))), ''), '; ') AS told
    FROM reviews v;
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

ALTER TABLE decisions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE decisions ADD COLUMN tool TEXT NOT NULL DEFAULT '';
UPDATE decisions SET agent = coalesce((SELECT agent FROM reviews WHERE id = review), ''),
    tool = coalesce((SELECT name FROM actions WHERE actions.review = decisions.review AND actions.slot = decisions.slot), '');
CREATE INDEX decisions_alike ON decisions (agent, tool) WHERE NOT superseded;
DROP TRIGGER decisions_counted;  -- nothing is gathered that is not there: people wait for every decision's commit
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

CREATE TABLE looks (  -- who has seen a review
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    reviewer TEXT NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    looked_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX looks_once ON looks (review, reviewer);
CREATE TRIGGER looks_logged AFTER INSERT ON looks BEGIN
    INSERT INTO log SELECT NEW.first_at, 'viewed', NEW.reviewer, v.run, v.id, '{}' FROM reviews v WHERE v.id = NEW.review;
END;

CREATE TABLE escalations (
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    run INTEGER NOT NULL REFERENCES runs,
    at REAL NOT NULL,
    recipient TEXT NOT NULL,  -- a group or a person; empty for anybody
    actor TEXT NOT NULL,  -- a person, `policy:<rule>`, `timeout:<rule>` or `agent:<name>`
    why TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    step INTEGER,  -- of the chain; NULL outside it
    next_at REAL,  -- when the chain goes on unless somebody claims it
    acknowledged_at REAL,
    acknowledged_by TEXT,
    taken_up INTEGER NOT NULL DEFAULT 0  -- a worker has put it to the chain, and told people or seen that it need not
);
CREATE INDEX escalations_review ON escalations (review);
CREATE INDEX escalations_new ON escalations (id) WHERE NOT taken_up;
CREATE INDEX escalations_next ON escalations (next_at) WHERE acknowledged_at IS NULL AND next_at IS NOT NULL;

CREATE TRIGGER escalations_logged AFTER INSERT ON escalations BEGIN
    INSERT INTO log VALUES (NEW.at, 'escalated', NEW.actor, NEW.run, NEW.review,
        json_object('to', NEW.recipient, 'why', NEW.why, 'note', NEW.note, 'step', NEW.step));
END;
CREATE TRIGGER escalations_routed AFTER UPDATE OF recipient ON escalations WHEN NEW.recipient != OLD.recipient BEGIN
    INSERT INTO log VALUES (NEW.at, 'escalated', 'policy:escalation', NEW.run, NEW.review,
        json_object('to', NEW.recipient, 'why', NEW.why, 'note', '', 'step', NEW.step));
END;
CREATE TRIGGER escalations_over AFTER UPDATE OF state ON reviews WHEN NEW.state IN ('applied', 'stale', 'failed', 'expired') BEGIN
    UPDATE escalations SET next_at = NULL WHERE review = NEW.id AND next_at IS NOT NULL;
END;

CREATE TABLE failures (run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE);  -- failed; nobody has asked policy of it yet
CREATE TRIGGER runs_failed AFTER UPDATE OF state ON runs WHEN NEW.state = 'failed' AND OLD.state != 'failed' BEGIN
    INSERT OR IGNORE INTO failures VALUES (NEW.id);
END;
CREATE TRIGGER runs_go_on AFTER UPDATE OF state ON runs WHEN OLD.state = 'failed' AND NEW.state != 'failed' BEGIN
    DELETE FROM failures WHERE run = NEW.id;
    UPDATE reviews SET state = 'stale', note = 'the run goes on'
    WHERE run = NEW.id AND kind = 'failure' AND state IN ('open', 'decided');
END;

CREATE TABLE notices (  -- one for each way in which people are told of an escalation
    id INTEGER PRIMARY KEY,
    escalation INTEGER NOT NULL REFERENCES escalations,
    channel TEXT NOT NULL,  -- `desktop`, `command`, or `url:` and a hash: an address holds secrets
    state TEXT NOT NULL DEFAULT 'due',  -- `due → sending → sent`, with the exits `failed` and `dropped`
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    worker TEXT,
    ended_at REAL
);
CREATE UNIQUE INDEX notices_once ON notices (escalation, channel);
CREATE INDEX notices_due ON notices (due_at) WHERE state IN ('due', 'sending');

CREATE TABLE takeovers (  -- a person in the agent's place
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT '',  -- why it was taken from somebody else
    head TEXT NOT NULL,  -- the checkpoint that was shown
    plan TEXT,  -- what to do before the agent goes on
    typed TEXT,  -- texts that are no part of a plan yet, by the part they are to be
    state TEXT NOT NULL DEFAULT 'open',  -- `open → handed_back → submitted → applied`, with the exits `discarded`, `stale` and `failed`
    note TEXT NOT NULL DEFAULT '',
    handed_back_at REAL,
    submitted_by TEXT,
    was TEXT NOT NULL DEFAULT '',  -- the run's state when it was handed back
    was_error TEXT NOT NULL DEFAULT '',
    was_traceback TEXT NOT NULL DEFAULT '',
    ended_at REAL
);
CREATE UNIQUE INDEX takeovers_one ON takeovers (run) WHERE state IN ('open', 'handed_back', 'submitted');
CREATE INDEX takeovers_run ON takeovers (run);
CREATE INDEX takeovers_ready ON takeovers (id) WHERE state = 'handed_back';
CREATE TRIGGER takeovers_made AFTER INSERT ON takeovers BEGIN
    INSERT INTO changes (run) VALUES (NEW.run);
    INSERT INTO log VALUES (NEW.at, 'taken_over', NEW.actor, NEW.run, NULL,
        json_object('takeover', NEW.id, 'head', NEW.head, 'reason', NEW.reason));
END;
CREATE TRIGGER takeovers_changed AFTER UPDATE OF state ON takeovers WHEN NEW.state != OLD.state BEGIN
    INSERT INTO changes (run) VALUES (NEW.run);
    INSERT INTO log SELECT coalesce(NEW.ended_at, NEW.handed_back_at), CASE NEW.state WHEN 'handed_back' THEN 'handed_back'
        WHEN 'discarded' THEN 'discarded' ELSE 'take_over_' || NEW.state END, CASE NEW.state WHEN 'handed_back' THEN NEW.actor
        WHEN 'discarded' THEN NEW.actor ELSE '' END, NEW.run, NULL, json_object('takeover', NEW.id, 'note', NEW.note,
        'plan', json(CASE NEW.state WHEN 'handed_back' THEN NEW.plan ELSE 'null' END))
    WHERE NEW.state != 'submitted';
END;
CREATE TRIGGER takeovers_passed AFTER UPDATE OF state ON runs WHEN NEW.state != OLD.state BEGIN  -- what moves by other means
    UPDATE takeovers SET ended_at = (julianday('now') - 2440587.5) * 86400.0,
        state = CASE WHEN state = 'submitted' THEN 'failed' WHEN NEW.state = 'cancelled' THEN 'discarded' ELSE 'stale' END,
        note = CASE WHEN state = 'submitted' THEN 'may have been applied: the run was ' || NEW.state || ' meanwhile'
            WHEN NEW.state = 'cancelled' THEN 'the run was cancelled' ELSE 'the run went on meanwhile' END
    WHERE run = NEW.id AND state IN ('open', 'handed_back', 'submitted')
        AND (state != 'submitted' OR NEW.state IN ('failed', 'cancelled'));
END;

CREATE TABLE heads (  -- where a run stands that waits, failed or was cancelled, for who takes it over
    run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    checkpoint TEXT NOT NULL,
    nodes TEXT NOT NULL,
    context TEXT,  -- NULL where it is that of the run's newest review
    words TEXT,  -- of the agent's last message
    calls TEXT NOT NULL
);

CREATE TABLE rule_counts (  -- how often each rule of the policy spoke
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actions INTEGER NOT NULL,
    last_at REAL NOT NULL
);
CREATE UNIQUE INDEX rule_counts_once ON rule_counts (rule, outcome);
CREATE TRIGGER actions_ruled AFTER INSERT ON actions WHEN NEW.outcome IS NOT NULL BEGIN
    INSERT INTO rule_counts (rule, outcome, actions, last_at)
    SELECT NEW.rule, NEW.outcome, 1, opened_at FROM reviews WHERE id = NEW.review
    ON CONFLICT (rule, outcome) DO UPDATE SET actions = actions + 1, last_at = excluded.last_at;
END;

CREATE TABLE audit (  -- append only; each hash covers the row and the hash before it
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    run INTEGER,
    review INTEGER,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_review ON audit (review) WHERE review IS NOT NULL;
CREATE INDEX audit_policies ON audit (seq) WHERE kind = 'policy';
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE VIEW log AS SELECT at, kind, actor, run, review, body FROM audit;  -- what is inserted here is chained
CREATE TRIGGER log_chained INSTEAD OF INSERT ON log BEGIN
    INSERT INTO audit SELECT coalesce(max(seq), 0) + 1, NEW.at, NEW.kind, NEW.actor, NEW.run, NEW.review, NEW.body, chained(
        coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), ''),
        coalesce(max(seq), 0) + 1, NEW.at, NEW.kind, NEW.actor, NEW.run, NEW.review, NEW.body) FROM audit;
END;
CREATE TRIGGER runs_logged AFTER INSERT ON runs BEGIN
    INSERT INTO log VALUES (NEW.created_at, 'launched', NEW.launched_by, NEW.id, NULL,
        json_object('agent', NEW.agent, 'thread', NEW.thread, 'title', NEW.title));
END;
CREATE TRIGGER reviews_logged AFTER INSERT ON reviews BEGIN
    INSERT INTO log VALUES (NEW.opened_at, 'opened', 'agent:' || NEW.agent, NEW.run, NEW.id,
        json_object('kind', NEW.kind, 'title', NEW.title, 'interrupt', NEW.interrupt, 'route', NEW.route, 'note', NEW.note));
END;
CREATE TRIGGER reviews_ended AFTER UPDATE OF state ON reviews
WHEN NEW.state IN ('applied', 'stale', 'failed', 'expired') AND NEW.state != OLD.state BEGIN
    INSERT INTO log VALUES (coalesce(NEW.applied_at, (julianday('now') - 2440587.5) * 86400.0), NEW.state, '', NEW.run, NEW.id,
        json_object('note', NEW.note));
END;
CREATE TRIGGER decisions_logged AFTER INSERT ON decisions BEGIN
    INSERT INTO log SELECT NEW.at, 'decided', NEW.actor, v.run, v.id, json_object('decision', NEW.id, 'slot', NEW.slot,
        'kind', NEW.kind, 'digest', NEW.digest, 'args', NEW.args, 'message', NEW.message, 'looked_ms', NEW.looked_ms)
    FROM reviews v WHERE v.id = NEW.review;
END;
CREATE TRIGGER decisions_undone AFTER UPDATE OF undone_at ON decisions WHEN NEW.undone_at IS NOT NULL AND OLD.undone_at IS NULL BEGIN
    INSERT INTO log SELECT NEW.undone_at, 'undone', NEW.actor, v.run, v.id, json_object('decision', NEW.id)
    FROM reviews v WHERE v.id = NEW.review;
END;
