-- What was told of a call beside its agent: the preview of its tool's author, the verdict of a second reader.
CREATE TABLE remarks (
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    source TEXT NOT NULL,  -- a `RemarkSource`
    body TEXT NOT NULL,  -- JSON
    problem TEXT NOT NULL,  -- why there is none, as a clause; empty if there is
    at REAL NOT NULL,
    PRIMARY KEY (review, slot, source)
) WITHOUT ROWID;
CREATE TRIGGER remarks_made AFTER INSERT ON remarks BEGIN INSERT INTO changes (review) VALUES (NEW.review); END;
