CREATE TRIGGER log_chained INSTEAD OF INSERT ON log BEGIN
    INSERT INTO audit VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM audit), NEW.at, NEW.kind, NEW.actor, NEW.run, NEW.review, NEW.body,
        chained(coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), ''), (SELECT coalesce(max(seq), 0) + 1 FROM audit),
            NEW.at, NEW.kind, NEW.actor, NEW.run, NEW.review, NEW.body));
END;
