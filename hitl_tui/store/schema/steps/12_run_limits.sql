-- What a run was launched for: conditions and totals that its calls must keep to run without a person.
ALTER TABLE runs ADD COLUMN limits TEXT NOT NULL DEFAULT '[]';  -- a JSON list of texts
