-- Agents of several projects may have the same name in their projects: each has a name of its own in this home, which it keeps.
CREATE TABLE agent_names (
    name TEXT PRIMARY KEY,  -- that of its graph, or `graph@project` if an agent of another project has that already
    project INTEGER NOT NULL REFERENCES projects,
    graph TEXT NOT NULL,  -- its name in its project
    UNIQUE (project, graph)
) WITHOUT ROWID;
-- Levels and lessons of a name that several agents had belong to none of them, so all of them are renamed.
INSERT INTO agent_names (name, project, graph)
WITH named AS (
    SELECT a.project, a.name AS graph, replace(replace(p.label, ' ', '-'), '@', '-') AS label FROM agents a JOIN projects p ON p.id = a.project
)
SELECT CASE
        WHEN instr(n.graph, '@') = 0 AND (SELECT count(*) FROM named o WHERE o.graph = n.graph) = 1 THEN n.graph
        WHEN (SELECT count(*) FROM named o WHERE o.graph = n.graph AND o.label = n.label) = 1 THEN n.graph || '@' || n.label
        ELSE n.graph || '@' || n.label || '-' || n.project
    END, n.project, n.graph
FROM named n;
UPDATE agents SET name = (SELECT n.name FROM agent_names n WHERE n.project = agents.project AND n.graph = agents.name);
INSERT INTO pauses (agent, actor, at) SELECT n.name, p.actor, p.at FROM pauses p JOIN agent_names n ON n.graph = p.agent WHERE n.name != n.graph;
INSERT INTO assistants (agent, name, context, config, actor, at)
SELECT n.name, a.name, a.context, a.config, a.actor, a.at FROM assistants a JOIN agent_names n ON n.graph = a.agent WHERE n.name != n.graph;
