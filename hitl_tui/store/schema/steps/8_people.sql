-- How people were identified, and what rules demand of the people who decide.
ALTER TABLE decisions ADD COLUMN identified TEXT;  -- an `Identified`; NULL for rules and deadlines, and before this version
ALTER TABLE endorsements ADD COLUMN identified TEXT;
ALTER TABLE takeovers ADD COLUMN identified TEXT;
ALTER TABLE actions ADD COLUMN decider TEXT NOT NULL DEFAULT '';  -- the group or person that a rule lets decide it; empty for anybody
ALTER TABLE actions ADD COLUMN separate TEXT NOT NULL DEFAULT '[]';  -- JSON: what keeps a person from being the only one who approves
CREATE INDEX audit_launched ON audit (run) WHERE kind = 'launched';
