-- Signatures of decisions, the calls that need one, and the versions of people.toml by which they are checked.
CREATE TABLE signatures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL,  -- what was signed: a statement, or the list of the digests of several
    signature TEXT NOT NULL  -- as `ssh-keygen -Y sign` prints it
);
CREATE TABLE statements (  -- what a signature says of each call
    signature INTEGER NOT NULL REFERENCES signatures,
    review INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (signature, review, slot)
) WITHOUT ROWID;
ALTER TABLE decisions ADD COLUMN signature INTEGER REFERENCES signatures;  -- NULL where it is not signed
ALTER TABLE endorsements ADD COLUMN signature INTEGER REFERENCES signatures;
ALTER TABLE actions ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;  -- a rule wants every decision on it signed
CREATE TABLE people_versions (
    digest TEXT PRIMARY KEY,  -- SHA-256 of the text
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX audit_people ON audit (seq) WHERE kind = 'people';
