-- LangGraph servers as sources of agents.
ALTER TABLE projects ADD COLUMN outage TEXT NOT NULL DEFAULT '';  -- why its server cannot be used now
ALTER TABLE projects ADD COLUMN outage_since REAL;
ALTER TABLE runs ADD COLUMN retry_lease INTEGER;  -- the lease under which a retry lets it run on; any other only looks where it stands
CREATE TABLE thread_versions (  -- threads that others may move, as they were handled last
    project INTEGER NOT NULL REFERENCES projects,
    thread TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (project, thread)
) WITHOUT ROWID;
