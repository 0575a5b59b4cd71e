-- The change feed: whoever changes a row, its readers hear of it.
CREATE TRIGGER runs_made AFTER INSERT ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;
CREATE TRIGGER runs_changed AFTER UPDATE ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;
CREATE TRIGGER reviews_made AFTER INSERT ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;
CREATE TRIGGER takeovers_made AFTER INSERT ON takeovers BEGIN INSERT INTO changes (run) VALUES (NEW.run); END;
CREATE TRIGGER takeovers_changed AFTER UPDATE OF state ON takeovers BEGIN INSERT INTO changes (run) VALUES (NEW.run); END;
CREATE TRIGGER feedback_made AFTER INSERT ON feedback BEGIN INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review); END;
CREATE TRIGGER feedback_withdrawn AFTER UPDATE OF withdrawn_at ON feedback BEGIN
    INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review);
END;
