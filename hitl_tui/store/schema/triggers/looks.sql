CREATE TRIGGER looks_logged AFTER INSERT ON looks BEGIN
    INSERT INTO log SELECT NEW.first_at, 'viewed', NEW.reviewer, v.run, v.id, '{}' FROM reviews v WHERE v.id = NEW.review;
END;
