CREATE TRIGGER tallied_decided INSTEAD OF INSERT ON tallying BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'decided', 0, NEW.cell, NEW.kind, NEW.sign),
        (NEW.scope, 1, 'decided', NEW.day, NEW.cell, NEW.kind, NEW.sign),
        (NEW.scope, 7, 'decided', NEW.week, NEW.cell, NEW.kind, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER tallied_waited INSTEAD OF INSERT ON tallying WHEN NEW.waited IS NOT NULL BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'waited', 0, NEW.cell, NEW.waited, NEW.sign),
        (NEW.scope, 1, 'waited', NEW.day, NEW.cell, NEW.waited, NEW.sign),
        (NEW.scope, 7, 'waited', NEW.week, NEW.cell, NEW.waited, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER tallied_looked INSTEAD OF INSERT ON tallying WHEN NEW.looked IS NOT NULL BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'looked', 0, NEW.cell, NEW.looked, NEW.sign),
        (NEW.scope, 1, 'looked', NEW.day, NEW.cell, NEW.looked, NEW.sign),
        (NEW.scope, 7, 'looked', NEW.week, NEW.cell, NEW.looked, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER tallied_about INSTEAD OF INSERT ON tallying WHEN NEW.waited IS NOT NULL AND NEW.scope != 'each' BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count)
        VALUES (NEW.scope, 1, 'about', NEW.day, NEW.cell, NEW.waited / 4, NEW.sign),
        (NEW.scope, 7, 'about', NEW.week, NEW.cell, NEW.waited / 4, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER tallied_edited INSTEAD OF INSERT ON tallying WHEN NEW.edited != '[]' BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count)
        SELECT NEW.scope, g.grain, 'edited', g.day, NEW.cell, e.value, NEW.sign FROM json_each(NEW.edited) e
        CROSS JOIN (SELECT 0 AS grain, 0 AS day UNION ALL SELECT 1, NEW.day UNION ALL SELECT 7, NEW.week) g WHERE TRUE
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER tallied_reason INSTEAD OF INSERT ON tallying WHEN NEW.reason != '' BEGIN
    INSERT INTO tallies (scope, grain, measure, day, cell, value, count) VALUES (NEW.scope, 0, 'reason', 0, NEW.cell, NEW.reason, NEW.sign),
        (NEW.scope, 1, 'reason', NEW.day, NEW.cell, NEW.reason, NEW.sign),
        (NEW.scope, 7, 'reason', NEW.week, NEW.cell, NEW.reason, NEW.sign)
        ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER tallied_beliefs INSTEAD OF INSERT ON tallying WHEN NEW.confidence IS NOT NULL AND NEW.scope IN ('tool', 'each') BEGIN
    INSERT INTO beliefs (scope, grain, day, cell, bin, count, confidence, squares, good, believed_good)
        SELECT NEW.scope, g.grain, g.day, NEW.cell, min(19, CAST(NEW.confidence * 20 AS INTEGER)), NEW.sign, NEW.sign * NEW.confidence,
            NEW.sign * NEW.confidence * NEW.confidence, NEW.sign * (NEW.kind = 'approve'),
            NEW.sign * NEW.confidence * (NEW.kind = 'approve')
        FROM (SELECT 0 AS grain, 0 AS day UNION ALL SELECT 1, NEW.day UNION ALL SELECT 7, NEW.week) g WHERE TRUE
        ON CONFLICT (scope, grain, day, cell, bin) DO UPDATE SET count = count + excluded.count,
            confidence = confidence + excluded.confidence, squares = squares + excluded.squares, good = good + excluded.good,
            believed_good = believed_good + excluded.believed_good;
END;
