CREATE TABLE autonomy (  -- every change of a level; the last one of an agent's tool holds
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    was TEXT NOT NULL,
    level TEXT NOT NULL,
    actor TEXT NOT NULL,  -- a person, or `autonomy` where it fell by itself
    at REAL NOT NULL,
    why TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '{}',
    decision INTEGER,  -- by which it fell
    feedback INTEGER  -- by which it fell
);
CREATE INDEX autonomy_of ON autonomy (agent, tool, id);
CREATE INDEX autonomy_decision ON autonomy (decision) WHERE decision IS NOT NULL;
CREATE VIEW levels AS SELECT * FROM autonomy a WHERE id = (SELECT max(id) FROM autonomy WHERE agent = a.agent AND tool = a.tool);
CREATE INDEX history_people ON history (agent, tool, decision)  -- of a million calls that went on by themselves, the few that were asked
    WHERE standing AND actor NOT GLOB 'policy:*' AND actor NOT GLOB 'timeout:*';
CREATE TRIGGER autonomy_logged AFTER INSERT ON autonomy BEGIN
    INSERT INTO log VALUES (NEW.at, 'autonomy', NEW.actor, NULL, NULL, json_object('agent', NEW.agent, 'tool', NEW.tool, 'was', NEW.was,
        'level', NEW.level, 'why', NEW.why, 'evidence', json(NEW.evidence), 'decision', NEW.decision, 'feedback', NEW.feedback));
END;

-- What a level let go on or had checked, and a person finds wrong, lowers it by one: with the decision or the thumb, in one commit.
CREATE VIEW falls AS SELECT decision, feedback, at, why FROM autonomy;  -- what is inserted here lowers, once for each call
CREATE TRIGGER falls_happen INSTEAD OF INSERT ON falls BEGIN
    INSERT INTO autonomy (agent, tool, was, level, actor, at, why, decision, feedback)
    SELECT l.agent, l.tool, l.level, CASE l.level WHEN 'act' THEN 'spot checks' WHEN 'spot checks' THEN 'threshold' ELSE 'ask' END,
        'autonomy', NEW.at, NEW.why, d.id, NEW.feedback
    FROM decisions d JOIN levels l ON l.agent = d.agent AND l.tool = d.tool
    WHERE d.id = NEW.decision AND l.level != 'ask' AND NOT EXISTS (SELECT 1 FROM autonomy WHERE decision = d.id)
        AND NOT EXISTS (SELECT 1 FROM decisions o JOIN autonomy f ON f.decision = o.id  -- sent, come back, and refused again: the same call
            WHERE o.review = d.review AND o.slot = d.slot GROUP BY o.id HAVING count(*) = 1 AND o.undone_at IS NULL);
END;
CREATE TRIGGER decisions_lower AFTER INSERT ON decisions
WHEN NEW.kind != 'approve' AND NEW.actor NOT GLOB 'policy:*' AND NEW.actor NOT GLOB 'timeout:*'
    AND (SELECT spot_check FROM actions WHERE review = NEW.review AND slot = NEW.slot)
    AND NOT EXISTS (SELECT 1 FROM attention WHERE review = NEW.review) BEGIN
    INSERT INTO falls (decision, at, why) VALUES (NEW.id, NEW.at, NEW.actor || CASE NEW.kind WHEN 'edit' THEN ' edited'
        WHEN 'reject' THEN ' rejected' ELSE ' answered in place of' END || ' a spot check, review ' || NEW.review);
END;
CREATE TRIGGER feedback_lowers AFTER INSERT ON feedback WHEN NEW.thumb < 0 AND NEW.decision IS NOT NULL BEGIN
    INSERT INTO falls (decision, feedback, at, why)
    SELECT d.id, NEW.id, NEW.at, NEW.actor || ' put a thumb down on '
        || CASE a.spot_check WHEN 1 THEN 'a spot check' ELSE 'what went on by itself' END || ', review ' || d.review
    FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot
    WHERE d.id = NEW.decision AND d.kind = 'approve' AND (d.actor GLOB 'policy:*' OR a.spot_check);
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
