CREATE TRIGGER attention_ends INSTEAD OF INSERT ON found_out BEGIN
    UPDATE attention SET (actor, said, caught, found_at) = (
        SELECT d.actor, CASE d.kind WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN 'rejected' ELSE 'answered' END,
            CASE d.kind WHEN 'approve' THEN 0 WHEN 'edit' THEN NOT still_wrong(attention.correct, a.args, d.args) ELSE 1 END, d.at
        FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.review = NEW.review AND NOT d.superseded)
    WHERE review = NEW.review;
END;
