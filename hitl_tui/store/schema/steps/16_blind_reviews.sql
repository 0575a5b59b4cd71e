-- Calls that two people decide without seeing each other's answer.
ALTER TABLE actions ADD COLUMN blind INTEGER NOT NULL DEFAULT 0;  -- a rule wants both answers to be given blind
