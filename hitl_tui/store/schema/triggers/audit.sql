CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TRIGGER audit_chained BEFORE INSERT ON audit BEGIN
    SELECT RAISE(ABORT, 'the entry does not continue the audit')
    WHERE NEW.seq != (SELECT coalesce(max(seq), 0) + 1 FROM audit)
        OR NEW.hash != chained(coalesce((SELECT hash FROM audit WHERE seq = NEW.seq - 1), ''),
            NEW.seq, NEW.at, NEW.kind, NEW.actor, NEW.actor_kind, NEW.run, NEW.review, NEW.body);
END;
