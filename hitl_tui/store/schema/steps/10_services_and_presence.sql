-- Workers that no console owns, and who looks at which review now.
ALTER TABLE workers ADD COLUMN service INTEGER NOT NULL DEFAULT 0;  -- it runs until it is stopped, and outlives every console

CREATE TABLE presence (
    console TEXT PRIMARY KEY,  -- an id that a console made for itself
    reviewer TEXT NOT NULL,
    review INTEGER NOT NULL REFERENCES reviews,
    until REAL NOT NULL  -- Unix time after which it no longer counts, unless the console renews it
) WITHOUT ROWID;
