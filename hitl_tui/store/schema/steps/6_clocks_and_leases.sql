-- What shows that the system's clock was set, and who holds a run.
CREATE TABLE clocks (
    source TEXT PRIMARY KEY,  -- one for each start of a machine
    ahead REAL NOT NULL,  -- the system's clock minus the seconds since that start: it changes only when the clock is set
    slept REAL NOT NULL  -- seconds that the machine was suspended since that start
) WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;  -- counts its leases: a worker with a lower number has lost it
ALTER TABLE reviews ADD COLUMN sent_under INTEGER;  -- the lease under which its answers were sent last
ALTER TABLE workers ADD COLUMN lock TEXT;  -- the file in `workers/` that its process locks while it lives; NULL before this version
