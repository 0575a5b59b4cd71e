CREATE TABLE autonomy (  -- every change of a level; the last one of an agent's tool holds
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    was TEXT NOT NULL,
    level TEXT NOT NULL,
    actor TEXT NOT NULL,  -- a person, or `autonomy` where it changed automatically
    actor_kind TEXT NOT NULL,  -- an `ActorKind`
    at REAL NOT NULL,
    why TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '{}',
    decision INTEGER,  -- that lowered it
    feedback INTEGER  -- that lowered it
);
CREATE INDEX autonomy_of ON autonomy (agent, tool, id);
CREATE INDEX autonomy_decision ON autonomy (decision) WHERE decision IS NOT NULL;

CREATE VIEW levels AS SELECT * FROM autonomy a WHERE id = (SELECT max(id) FROM autonomy WHERE agent = a.agent AND tool = a.tool);
