ALTER TABLE runs ADD COLUMN gates_before TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN gates_after TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN time_limit_s REAL;
ALTER TABLE runs ADD COLUMN leased_at REAL;  -- when the lease was taken
ALTER TABLE runs ADD COLUMN worked_s REAL NOT NULL DEFAULT 0;  -- time under earlier leases
ALTER TABLE runs ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;  -- it was cut off inside a step, which may have done its work
ALTER TABLE reviews ADD COLUMN repeats TEXT;  -- at a gate in doubt: key of the decisions that led there
ALTER TABLE decisions ADD COLUMN effect TEXT;  -- digest of what it makes happen
ALTER TABLE decisions ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0;  -- it may have had its effect, and that is asked again
ALTER TABLE decisions ADD COLUMN repeats INTEGER;  -- an earlier doubtful decision of the same effect: both are one act
CREATE INDEX decisions_doubtful ON decisions (review) WHERE doubtful;
ALTER TABLE decisions ADD COLUMN undone_at REAL;  -- superseded because somebody took it back
ALTER TABLE actions ADD COLUMN confidence REAL;
ALTER TABLE actions ADD COLUMN confidence_source TEXT NOT NULL DEFAULT '';
ALTER TABLE actions ADD COLUMN confidence_note TEXT NOT NULL DEFAULT '';
ALTER TABLE actions ADD COLUMN risk TEXT;
ALTER TABLE actions ADD COLUMN outcome TEXT;  -- what policy said; NULL without one
ALTER TABLE actions ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE actions ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN route TEXT;  -- the worst outcome of the actions that policy left undecided

DROP TRIGGER decisions_whole;
CREATE TRIGGER decisions_counted AFTER INSERT ON decisions BEGIN
    UPDATE reviews SET decided = (SELECT count(*) FROM decisions WHERE review = NEW.review AND NOT superseded)
        || ' of ' || slots || ' decided'
    WHERE id = NEW.review AND slots > (SELECT count(*) FROM decisions WHERE review = NEW.review AND NOT superseded);
    UPDATE reviews SET state = 'decided', decided_at = NEW.at, effective_at = NEW.effective_at, decided = (
        SELECT CASE WHEN count(DISTINCT kind) > 1 THEN 'decided' ELSE CASE max(kind)
            WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN 'rejected' ELSE 'answered' END END
        FROM decisions WHERE review = NEW.review AND NOT superseded) || ' by ' || NEW.actor
    WHERE id = NEW.review AND slots = (SELECT count(*) FROM decisions WHERE review = NEW.review AND NOT superseded);
END;

DROP TRIGGER reviews_submitted;
CREATE TRIGGER reviews_submitted BEFORE UPDATE OF submitted_by ON reviews  -- who submits an answer takes the lease, or fails
WHEN NEW.submitted_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE id = NEW.run AND worker = NEW.submitted_by) BEGIN
    SELECT RAISE(IGNORE) FROM runs WHERE id = NEW.run AND (state != 'waiting' OR worker IS NOT NULL);
    UPDATE runs SET state = 'running', worker = NEW.submitted_by, activity = 'resuming', leased_at = NEW.submitted_at
    WHERE id = NEW.run;
END;
