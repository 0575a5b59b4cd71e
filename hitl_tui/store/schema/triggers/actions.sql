CREATE TRIGGER actions_ruled AFTER INSERT ON actions WHEN NEW.outcome IS NOT NULL BEGIN
    INSERT INTO rule_counts (rule, outcome, actions, last_at)
    SELECT NEW.rule, NEW.outcome, 1, v.opened_at FROM reviews v JOIN runs r ON r.id = v.run WHERE v.id = NEW.review AND NOT r.attention
    ON CONFLICT (rule, outcome) DO UPDATE SET actions = actions + 1, last_at = excluded.last_at;
END;
