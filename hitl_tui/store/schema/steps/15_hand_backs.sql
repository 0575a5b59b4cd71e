-- A hand-back is a decision: signed, and confirmed by other people, where rules demand it of what the run asks.
ALTER TABLE takeovers ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0;  -- handed back, and other people must confirm it first
CREATE TRIGGER takeovers_confirmed AFTER UPDATE OF unconfirmed ON takeovers BEGIN INSERT INTO changes (run) VALUES (NEW.run); END;
