PRAGMA application_id = 1212765260;
PRAGMA user_version = 20;
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    seen_at REAL NOT NULL
, warnings TEXT NOT NULL DEFAULT '[]', outage TEXT NOT NULL DEFAULT '', outage_since REAL);
INSERT INTO projects VALUES (1, '/srv/sample_agents/langgraph.json', 'sample_agents', '', 1.79607347858842039105e+09, '[]', '', NULL);
CREATE TABLE agents (
    project INTEGER NOT NULL REFERENCES projects,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    input_schema TEXT,
    takes_text INTEGER NOT NULL,
    state_schema TEXT,  -- JSON Schema of the graph's state
    tools TEXT NOT NULL DEFAULT '{}',  -- JSON Schemas of arguments, by tool
    error TEXT NOT NULL,
    traceback TEXT NOT NULL, context_schema TEXT,
    PRIMARY KEY (project, name)
) WITHOUT ROWID;
INSERT INTO agents VALUES (1, 'mail_assistant', 'Reads a folder of mail, drafts answers and sends them when you agree.', '{"type": "object", "properties": {"messages": {"type": "array"}}, "required": ["messages"]}', 1, 'null', '{}', '', '', 'null');
INSERT INTO agents VALUES (1, 'report_writer', 'Writes a report about a topic.', '{"type": "object", "properties": {"topic": {"type": "string"}, "pages": {"type": "integer", "minimum": 1}, "draft": {"type": "boolean"}}, "required": ["topic", "pages"]}', 0, 'null', '{}', '', '', 'null');
INSERT INTO agents VALUES (1, 'sql_steward', 'Cleans up a database; reads run by themselves, writes wait.', '{"type": "object", "properties": {"messages": {"type": "array"}}, "required": ["messages"]}', 1, 'null', '{}', '', '', 'null');
CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started REAL NOT NULL,
    concurrency INTEGER NOT NULL,
    beat_at REAL NOT NULL
, code_changed INTEGER NOT NULL DEFAULT 0, lock TEXT, service INTEGER NOT NULL DEFAULT 0);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER REFERENCES projects,  -- NULL until a worker that has the agent takes it
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    title TEXT NOT NULL,
    input TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    gates_before TEXT NOT NULL DEFAULT '[]',
    gates_after TEXT NOT NULL DEFAULT '[]',
    time_limit_s REAL,
    launched_by TEXT NOT NULL DEFAULT '',
    attention INTEGER NOT NULL DEFAULT 0,  -- only carries an attention check; no agent made it
    state TEXT NOT NULL DEFAULT 'queued',
    activity TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    traceback TEXT NOT NULL DEFAULT '',
    result TEXT,
    resuming INTEGER NOT NULL DEFAULT 0,
    cancelling INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    failure_seen INTEGER NOT NULL DEFAULT 0,  -- policy has judged that it failed
    cut INTEGER NOT NULL DEFAULT 0,  -- cut off inside a step, which may have done its work
    worker TEXT,  -- the lease: the worker that drives the run now
    leased_at REAL,
    worked_s REAL NOT NULL DEFAULT 0,  -- time under earlier leases
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL
, context TEXT, config TEXT, lease INTEGER NOT NULL DEFAULT 0, retry_lease INTEGER, limits TEXT NOT NULL DEFAULT '[]');
INSERT INTO runs VALUES (1, 1, 'mail_assistant', 'thread-mail_assistant-52526638444696', 'Answer everything from Ann today.', '{"text": "Answer everything from Ann today."}', '[]', '[]', '[]', NULL, '', 0, 'waiting', '', '', '', NULL, 0, 0, 0, 0, 0, NULL, NULL, 0.0, 1.79607347859706401827e+09, NULL, NULL, NULL, NULL, 0, NULL, '[]');
INSERT INTO runs VALUES (2, 1, 'mail_assistant', 'thread-mail_assistant-52526696336961', 'Answer everything from Ann today.', '{"text": "Answer everything from Ann today."}', '[]', '[]', '[]', NULL, '', 0, 'waiting', '', '', '', NULL, 0, 0, 0, 0, 0, NULL, NULL, 0.0, 1.79607347865493869785e+09, NULL, NULL, NULL, NULL, 0, NULL, '[]');
INSERT INTO runs VALUES (3, 1, 'mail_assistant', 'thread-mail_assistant-52526745020883', 'Answer everything from Ann today.', '{"text": "Answer everything from Ann today."}', '[]', '[]', '[]', NULL, '', 0, 'waiting', '', '', '', NULL, 0, 0, 0, 0, 0, NULL, NULL, 0.0, 1.79607347870361852646e+09, NULL, NULL, NULL, NULL, 0, NULL, '[]');
INSERT INTO sqlite_sequence VALUES ('runs', 3);
INSERT INTO sqlite_sequence VALUES ('reviews', 3);
INSERT INTO sqlite_sequence VALUES ('decisions', 2);
CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    node TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE heads (  -- the checkpoint of a run that waits, failed or was cancelled, for a takeover
    run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    checkpoint TEXT NOT NULL,
    nodes TEXT NOT NULL,
    context TEXT,  -- NULL where it is that of the run's newest review
    words TEXT,  -- of the agent's last message
    calls TEXT NOT NULL
);
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs,
    agent TEXT NOT NULL,
    interrupt TEXT NOT NULL,
    kind TEXT NOT NULL,
    node TEXT NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    slots INTEGER NOT NULL,
    risk TEXT,
    confidence REAL,
    note TEXT NOT NULL,  -- a warning about what is asked, or why the review ended
    may_have_run INTEGER NOT NULL DEFAULT 0,  -- what was approved may have run already; the note says why
    policy_note TEXT NOT NULL DEFAULT '',  -- what the reviewer must know of the policy itself
    repeats TEXT,  -- at a gate in doubt: key of the decisions that led there
    route TEXT,  -- the worst outcome of the actions that policy left undecided
    recipient TEXT NOT NULL DEFAULT '',  -- the group or person it is meant for
    deadline_at REAL,
    deadline_then TEXT NOT NULL DEFAULT '',  -- `escalate` or `reject`
    deadline_rule TEXT NOT NULL DEFAULT '',
    claimed_by TEXT,
    claimed_key TEXT,  -- `person_key` of the claimant
    claimed_until REAL,
    escalated TEXT NOT NULL DEFAULT '',  -- recipient of the last escalation; `anybody` where it names nobody
    state TEXT NOT NULL DEFAULT 'open',
    decision TEXT NOT NULL DEFAULT '',  -- of the whole review: `approved`, `edited`, `rejected`, …; empty until then
    decided_by TEXT NOT NULL DEFAULT '',  -- the last to decide
    decided_by_kind TEXT NOT NULL DEFAULT 'person',
    decided_with TEXT NOT NULL DEFAULT '[]',  -- the others whose approval was needed: a JSON list of names
    decided_slots INTEGER NOT NULL DEFAULT 0,
    approvals TEXT NOT NULL DEFAULT '[]',  -- approvals that need more of them: JSON, `[[kind, needed, [name, …]], …]`
    opened_at REAL NOT NULL,
    decided_at REAL,
    effective_at REAL,
    submitted_at REAL,
    submitted_by TEXT,  -- the worker
    applied_at REAL
, sent_under INTEGER);
INSERT INTO reviews VALUES (1, 1, 'mail_assistant', 'i1', 'tool_calls', 'tools', '[]', 'send_mail', 'ann@example.com · Re: invoice 4711 · Dear Ann, the invoice was paid on 3 March; the receipt is attached. If anything is missing, tell me and I send it again. Kind regards', 1, NULL, NULL, '', 0, '', NULL, NULL, '', NULL, '', '', NULL, NULL, NULL, '', 'decided', 'approved', 'Åsa', 'person', '["ann"]', 1, '[]', 1796073478.60454, 1.79607347864852428436e+09, 1.79607353864852428435e+09, NULL, NULL, NULL, NULL);
INSERT INTO reviews VALUES (2, 2, 'mail_assistant', 'i1', 'tool_calls', 'tools', '[]', 'send_mail', 'ann@example.com · Re: invoice 4711 · Dear Ann, the invoice was paid on 3 March; the receipt is attached. If anything is missing, tell me and I send it again. Kind regards', 1, NULL, NULL, '', 0, '', NULL, NULL, '', NULL, '', '', NULL, NULL, NULL, '', 'open', '', '', 'person', '[]', 0, '[]', 1.796073478671530962e+09, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO reviews VALUES (3, 3, 'mail_assistant', 'i1', 'tool_calls', 'tools', '[]', 'send_mail', 'ann@example.com · Re: invoice 4711 · Dear Ann, the invoice was paid on 3 March; the receipt is attached. If anything is missing, tell me and I send it again. Kind regards', 1, NULL, NULL, '', 0, '', NULL, NULL, '', NULL, '', '', NULL, NULL, NULL, '', 'open', '', '', 'person', '[]', 0, '[["approve", 2, ["ann"]]]', 1.79607347870763731003e+09, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE details (  -- what only the opened review needs, kept out of the rows the queue reads
    review INTEGER PRIMARY KEY REFERENCES reviews,
    value TEXT NOT NULL,
    context TEXT NOT NULL
);
INSERT INTO details VALUES (1, '{"asked": [{"to": "ann@example.com", "subject": "Re: invoice 4711", "body": "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\nIf anything is missing, tell me and I send it again.\n\nKind regards"}]}', '{"conversation": [], "reasoning": "", "attempts": [], "error": "", "state": null, "before": [], "after": [], "model": ""}');
INSERT INTO details VALUES (2, '{"asked": [{"to": "ann@example.com", "subject": "Re: invoice 4711", "body": "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\nIf anything is missing, tell me and I send it again.\n\nKind regards"}]}', '{"conversation": [], "reasoning": "", "attempts": [], "error": "", "state": null, "before": [], "after": [], "model": ""}');
INSERT INTO details VALUES (3, '{"asked": [{"to": "ann@example.com", "subject": "Re: invoice 4711", "body": "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\nIf anything is missing, tell me and I send it again.\n\nKind regards"}]}', '{"conversation": [], "reasoning": "", "attempts": [], "error": "", "state": null, "before": [], "after": [], "model": ""}');
CREATE TABLE actions (
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    name TEXT NOT NULL,
    args TEXT NOT NULL,
    allowed TEXT NOT NULL,
    description TEXT NOT NULL,
    args_schema TEXT,
    answer_schema TEXT,
    choices TEXT NOT NULL,
    tool_call TEXT,
    means TEXT NOT NULL,
    digest TEXT NOT NULL,
    confidence REAL,
    confidence_source TEXT NOT NULL DEFAULT '',
    confidence_note TEXT NOT NULL DEFAULT '',
    risk TEXT,  -- what policy judged by
    declared TEXT,  -- the risk that the graph or the tool declared
    outcome TEXT,  -- what policy said; NULL without one
    rule TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    reviewers INTEGER NOT NULL DEFAULT 1,  -- different people who must approve
    spot_check INTEGER NOT NULL DEFAULT 0, decider TEXT NOT NULL DEFAULT '', separate TEXT NOT NULL DEFAULT '[]', signed INTEGER NOT NULL DEFAULT 0, grant_id INTEGER, blind INTEGER NOT NULL DEFAULT 0,  -- policy would have approved it, and picked it for a person to check
    PRIMARY KEY (review, slot)
) WITHOUT ROWID;
INSERT INTO actions VALUES (1, 0, 'send_mail', '{"to": "ann@example.com", "subject": "Re: invoice 4711", "body": "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\nIf anything is missing, tell me and I send it again.\n\nKind regards"}', '["approve", "edit", "reject", "respond"]', '', 'null', 'null', '[]', NULL, '{}', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', NULL, '', '', NULL, NULL, NULL, '', '', 2, 0, '', '[]', 0, NULL, 0);
INSERT INTO actions VALUES (2, 0, 'send_mail', '{"to": "ann@example.com", "subject": "Re: invoice 4711", "body": "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\nIf anything is missing, tell me and I send it again.\n\nKind regards"}', '["approve", "edit", "reject", "respond"]', '', 'null', 'null', '[]', NULL, '{}', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', NULL, '', '', NULL, NULL, NULL, '', '', 2, 0, '', '[]', 0, NULL, 0);
INSERT INTO actions VALUES (3, 0, 'send_mail', '{"to": "ann@example.com", "subject": "Re: invoice 4711", "body": "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\nIf anything is missing, tell me and I send it again.\n\nKind regards"}', '["approve", "edit", "reject", "respond"]', '', 'null', 'null', '[]', NULL, '{}', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', NULL, '', '', NULL, NULL, NULL, '', '', 2, 0, '', '[]', 0, NULL, 0);
CREATE TABLE review_views (  -- who has seen a review
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    reviewer TEXT NOT NULL,
    reviewer_key TEXT NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    viewed_ms INTEGER NOT NULL
);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    tool TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    actor_kind TEXT NOT NULL,  -- an `ActorKind`
    actor_key TEXT NOT NULL,  -- `person_key` of the actor
    digest TEXT NOT NULL,  -- of the action as it was shown
    effect TEXT,  -- digest of what the decision makes happen
    at REAL NOT NULL,
    effective_at REAL NOT NULL,  -- until then it can be undone
    viewed_ms INTEGER,
    superseded INTEGER NOT NULL DEFAULT 0,  -- undone, or decided again before the whole review was
    undone_at REAL,  -- superseded because it was undone
    doubtful INTEGER NOT NULL DEFAULT 0,  -- it may have had its effect, and that is asked again
    repeats INTEGER  -- an earlier doubtful decision of the same effect: both are one act
, seen REAL, reading_ms INTEGER, template TEXT, identified TEXT, signature INTEGER REFERENCES signatures);
INSERT INTO decisions VALUES (1, 1, 0, 'mail_assistant', 'send_mail', 'approve', NULL, NULL, 'Åsa', 'person', 'åsa', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', 1.79607347864852428436e+09, 1.79607353864852428435e+09, NULL, 0, NULL, 0, NULL, NULL, NULL, NULL, 'named', NULL);
INSERT INTO decisions VALUES (2, 2, 0, 'mail_assistant', 'send_mail', 'reject', NULL, 'not him', 'Åsa', 'person', 'åsa', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', '2:c82ec39b29bbb6149d0138a86f68ef3b510d14a86be7545f24a2069dc21b1043', 1.79607347868413400647e+09, 1.79607353868413400655e+09, NULL, 1, 1.79607347869874024387e+09, 0, NULL, NULL, NULL, NULL, 'named', NULL);
CREATE TABLE endorsements (  -- approvals before the last one that is needed; the last becomes the decision
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    digest TEXT NOT NULL,
    effect TEXT NOT NULL,  -- digest of what it makes happen: two people must mean the same
    at REAL NOT NULL,
    viewed_ms INTEGER,
    withdrawn_at REAL
, seen REAL, reading_ms INTEGER, template TEXT, identified TEXT, signature INTEGER REFERENCES signatures);
INSERT INTO endorsements VALUES (1, 1, 0, 'approve', NULL, NULL, 'ann', 'ann', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', 1796073478.64515, NULL, NULL, NULL, NULL, NULL, 'named', NULL);
INSERT INTO endorsements VALUES (2, 3, 0, 'approve', NULL, NULL, 'ann', 'ann', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', '2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e', 1.79607347872104382516e+09, NULL, NULL, NULL, NULL, NULL, 'named', NULL);
CREATE TABLE audit (  -- append-only; each hash covers the row and the hash before it
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,  -- empty for the program itself
    actor_kind TEXT NOT NULL,  -- an `ActorKind`
    run INTEGER,
    review INTEGER,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit VALUES (1, 1.79607347859706401827e+09, 'launched', '', 'person', 1, NULL, '{"agent": "mail_assistant", "thread": "thread-mail_assistant-52526638444696", "title": "Answer everything from Ann today."}', '0aa80353b3a784a9c56a401f68f370b2d79da444c8bd2524b37dd7eaa463054a');
INSERT INTO audit VALUES (2, 1796073478.60454, 'opened', 'agent:mail_assistant', 'agent', 1, 1, '{"calls": [["2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", 2]], "interrupt": "i1", "kind": "tool_calls", "note": "", "route": null, "title": "send_mail"}', 'c3698ad21d4815356014fc3d8e3b34c8f22341e5e92b845c6221e820ef703b42');
INSERT INTO audit VALUES (3, 1796073478.64515, 'endorsed', 'ann', 'person', 1, 1, '{"args": null, "digest": "2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", "endorsement": 1, "identified": "named", "kind": "approve", "message": null, "slot": 0, "viewed_ms": null}', '0bf88647f48326bbae2f87f47c33311f4e933d208675dd00e11ccf561559d716');
INSERT INTO audit VALUES (4, 1.79607347864852428436e+09, 'decided', 'Åsa', 'person', 1, 1, '{"args": null, "decision": 1, "digest": "2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", "identified": "named", "kind": "approve", "message": null, "slot": 0, "viewed_ms": null}', '0a78636759e06ae20ec8e955a89eecf802f66bf73264a44cca8636db917c274e');
INSERT INTO audit VALUES (5, 1.79607347865493869785e+09, 'launched', '', 'person', 2, NULL, '{"agent": "mail_assistant", "thread": "thread-mail_assistant-52526696336961", "title": "Answer everything from Ann today."}', 'b0a0440bb2ce58db58fdabf6e110b112c17d99163340830685cd87028b24bf41');
INSERT INTO audit VALUES (6, 1.796073478671530962e+09, 'opened', 'agent:mail_assistant', 'agent', 2, 2, '{"calls": [["2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", 2]], "interrupt": "i1", "kind": "tool_calls", "note": "", "route": null, "title": "send_mail"}', 'b50459345452b7dd69badc2ff3f22e60e2e52b2be72c6b18600f35462efe6cb4');
INSERT INTO audit VALUES (7, 1.79607347868413400647e+09, 'decided', 'Åsa', 'person', 2, 2, '{"args": null, "decision": 2, "digest": "2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", "identified": "named", "kind": "reject", "message": "not him", "slot": 0, "viewed_ms": null}', 'c0367574cd42e2157db73a814eb77dfa498be24b481acfd79499b3c8bde32c48');
INSERT INTO audit VALUES (8, 1.79607347869874024387e+09, 'undone', 'Åsa', 'person', 2, 2, '{"decision": 2}', '8e0a7d8d2c86e97b3ae2fcd13a454f537efd4f8ef9798e9e988007ea2ef9dcef');
INSERT INTO audit VALUES (9, 1.79607347870361852646e+09, 'launched', '', 'person', 3, NULL, '{"agent": "mail_assistant", "thread": "thread-mail_assistant-52526745020883", "title": "Answer everything from Ann today."}', 'ed85e59aa5cd4d5dd8816cde1398e40dd7358d44f9c766c3429f250c2f7753ce');
INSERT INTO audit VALUES (10, 1.79607347870763731003e+09, 'opened', 'agent:mail_assistant', 'agent', 3, 3, '{"calls": [["2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", 2]], "interrupt": "i1", "kind": "tool_calls", "note": "", "route": null, "title": "send_mail"}', 'e53e1e3a452c953342c0ddf5acd03d6c69526f371493d242f8eeca6dbbc4f319');
INSERT INTO audit VALUES (11, 1.79607347872104382516e+09, 'endorsed', 'ann', 'person', 3, 3, '{"args": null, "digest": "2:01402b37aa5202d0b278ea95319f309344a72ea7e702415720980942d7d48e0e", "endorsement": 2, "identified": "named", "kind": "approve", "message": null, "slot": 0, "viewed_ms": null}', 'c836149f5758523f3354b9d8c7a417203cb4c7b6194f0df9a2327bfb89a3674a');
CREATE TABLE changes (  -- the change feed: readers ask only for what is newer than their last read
    seq INTEGER PRIMARY KEY,
    review INTEGER,
    run INTEGER
);
INSERT INTO changes VALUES (1, NULL, 1);
INSERT INTO changes VALUES (2, 1, NULL);
INSERT INTO changes VALUES (3, NULL, 1);
INSERT INTO changes VALUES (4, 1, NULL);
INSERT INTO changes VALUES (5, 1, NULL);
INSERT INTO changes VALUES (6, NULL, 2);
INSERT INTO changes VALUES (7, 2, NULL);
INSERT INTO changes VALUES (8, NULL, 2);
INSERT INTO changes VALUES (9, 2, NULL);
INSERT INTO changes VALUES (10, 2, NULL);
INSERT INTO changes VALUES (11, 2, NULL);
INSERT INTO changes VALUES (12, NULL, 3);
INSERT INTO changes VALUES (13, 3, NULL);
INSERT INTO changes VALUES (14, NULL, 3);
INSERT INTO changes VALUES (15, 3, NULL);
CREATE TABLE escalations (
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    run INTEGER NOT NULL REFERENCES runs,
    at REAL NOT NULL,
    recipient TEXT NOT NULL,  -- a group or a person; empty for anybody
    actor TEXT NOT NULL,  -- a person, `policy:<rule>`, `timeout:<rule>` or `agent:<name>`
    actor_kind TEXT NOT NULL,
    why TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    step INTEGER,  -- of the chain; NULL outside it
    next_at REAL,  -- when the chain continues unless somebody claims it
    acknowledged_at REAL,
    acknowledged_by TEXT,
    taken_up INTEGER NOT NULL DEFAULT 0  -- a worker has put it on the chain and queued its notifications
);
CREATE TABLE takeovers (  -- a person acts as the agent
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    at REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT '',  -- why it was taken from somebody else
    head TEXT NOT NULL,  -- the checkpoint that was shown
    plan TEXT,  -- what to do before the agent continues
    typed TEXT,  -- texts that are not part of a plan yet, by the field they are typed in
    state TEXT NOT NULL DEFAULT 'open',  -- `open → handed_back → submitted → applied`, with the exits `discarded`, `stale` and `failed`
    note TEXT NOT NULL DEFAULT '',
    handed_back_at REAL,
    submitted_by TEXT,
    was TEXT NOT NULL DEFAULT '',  -- the run's state when it was handed back
    was_error TEXT NOT NULL DEFAULT '',
    was_traceback TEXT NOT NULL DEFAULT '',
    ended_at REAL
, identified TEXT, unconfirmed INTEGER NOT NULL DEFAULT 0, announced INTEGER NOT NULL DEFAULT 1);
CREATE TABLE rule_counts (  -- how often each rule of the policy matched
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actions INTEGER NOT NULL,
    last_at REAL NOT NULL
);
CREATE TABLE attention_checks (  -- reviews that are attention checks: clearly wrong, and never sent to an agent
    review INTEGER PRIMARY KEY REFERENCES reviews,
    source INTEGER NOT NULL,  -- the review that its action was made from
    wrong TEXT NOT NULL,  -- what is clearly wrong about it, as a clause
    correct TEXT NOT NULL,  -- the arguments it was made from
    made_at REAL NOT NULL,
    last INTEGER NOT NULL,  -- the newest decision when it was made: the next check is counted from there
    actor TEXT NOT NULL DEFAULT '',  -- who caught or missed it
    actor_key TEXT NOT NULL DEFAULT '',
    said TEXT NOT NULL DEFAULT '',  -- what they did, e.g. `approved` or `escalated to bob`
    caught INTEGER,  -- NULL until somebody acted on it
    found_at REAL
);
CREATE TABLE history (  -- one row for each decision, with the fields people search by; filled by the reader, not by the decider
    decision INTEGER PRIMARY KEY REFERENCES decisions,
    at REAL NOT NULL,
    run INTEGER NOT NULL,
    review INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    rule TEXT NOT NULL,
    confidence REAL,
    opened_at REAL NOT NULL,
    viewed_ms INTEGER,
    size INTEGER NOT NULL,  -- characters of the arguments
    spot_check INTEGER NOT NULL,
    in_force INTEGER NOT NULL  -- 0 once it was undone or decided anew
, seen REAL, reading_ms INTEGER);
CREATE TABLE history_names (id INTEGER PRIMARY KEY, field TEXT NOT NULL, name TEXT NOT NULL);
CREATE VIRTUAL TABLE history_text USING fts5 (facets, words, content = '', prefix = '2 3');
CREATE TABLE cells (  -- what is counted
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,  -- `tool` of an agent, `reviewer`, `rule`, `each` of all these together; `itself` is what no person decided
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    actor TEXT NOT NULL,  -- as this person's name was first spelled
    actor_key TEXT NOT NULL,
    rule TEXT NOT NULL
);
CREATE TABLE tallies (  -- counters, updated as history grows, so that nothing scans it
    scope TEXT NOT NULL,  -- the cell's
    grain INTEGER NOT NULL,  -- days counted together: 1, 7 from a Monday on, or 0 for all time
    measure TEXT NOT NULL,  -- `decided`, `waited`, `viewed`, `about` (waited, in buckets four times as wide), `edited`, `reason`
    day INTEGER NOT NULL,  -- the first of them, since 1970, UTC
    cell INTEGER NOT NULL,
    value NOT NULL,  -- a kind of decision, a bucket of time, the name of an argument, a reason
    count INTEGER NOT NULL,
    PRIMARY KEY (scope, grain, measure, day, cell, value)
) WITHOUT ROWID;
CREATE TABLE beliefs (  -- stated confidence against what people decided, in twentieths; of scopes `tool` and `each`
    scope TEXT NOT NULL,
    grain INTEGER NOT NULL,
    day INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    count INTEGER NOT NULL,
    confidence REAL NOT NULL,
    squares REAL NOT NULL,
    good INTEGER NOT NULL,  -- approved unchanged
    believed_good REAL NOT NULL,
    PRIMARY KEY (scope, grain, day, cell, bin)
) WITHOUT ROWID;
CREATE TABLE feedback (  -- ratings: of a decision, of a message of a run's trace, or of a whole run
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    review INTEGER REFERENCES reviews,
    slot INTEGER,
    event INTEGER,  -- the trace's
    decision INTEGER REFERENCES decisions,  -- of the slot, as it stood then
    rating INTEGER NOT NULL CHECK (rating IN (-1, 1)),
    comment TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    at REAL NOT NULL,
    withdrawn_at REAL
);
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
CREATE TABLE lessons (  -- drawn from people's rejections and corrections of a tool
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    topic TEXT NOT NULL,  -- what its examples have in common, e.g. `edit:subject` or `reject:too long`
    gist TEXT NOT NULL,  -- the rules' finding without numbers: while it stays the same, another wording of it stays too
    text TEXT NOT NULL,  -- as the agent reads it
    wording TEXT NOT NULL DEFAULT 'rules',  -- `rules`, the model's name, or `person`
    asked TEXT NOT NULL DEFAULT '',  -- the model that was asked for a wording and gave none that could be used
    examples TEXT NOT NULL DEFAULT '[]',  -- decisions, the oldest first
    state TEXT NOT NULL DEFAULT 'proposed',  -- or `accepted`, `dropped`
    made_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    actor TEXT NOT NULL DEFAULT '',
    decided_at REAL,
    decided_after INTEGER,  -- the last decision at that time
    rev INTEGER NOT NULL DEFAULT 0  -- grows with every change of any lesson
);
CREATE TABLE lessons_due (  -- tools with rejections or corrections made or undone since lessons were drawn from them
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    news INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (agent, tool)
) WITHOUT ROWID;
CREATE TABLE pauses (  -- agents of which workers start nothing new
    agent TEXT PRIMARY KEY,  -- empty for all agents
    actor TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE snoozes (  -- reviews that a person does not want to see for a while
    review INTEGER NOT NULL REFERENCES reviews,
    reviewer_key TEXT NOT NULL,  -- `person_key` of the person
    until REAL,  -- NULL: until the review changes
    PRIMARY KEY (review, reviewer_key)
) WITHOUT ROWID;
CREATE TABLE failures_seen (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    reviewer_key TEXT NOT NULL,  -- `person_key` of the person
    ended_at REAL NOT NULL,  -- of the failure that was seen: a run that is retried may fail again
    PRIMARY KEY (run, reviewer_key)
) WITHOUT ROWID;
CREATE TABLE assistants (
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    context TEXT,
    config TEXT,
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (agent, name)
) WITHOUT ROWID;
CREATE TABLE clocks (
    source TEXT PRIMARY KEY,  -- one for each start of a machine
    ahead REAL NOT NULL,  -- the system's clock minus the seconds since that start: it changes only when the clock is set
    slept REAL NOT NULL  -- seconds that the machine was suspended since that start
) WITHOUT ROWID;
INSERT INTO clocks VALUES ('c814d9f3-4def-4d0c-b0f9-0129de141d8e:4026531834', 1796020951.95851, 0.0);
CREATE TABLE thread_versions (  -- threads that others may move, as they were handled last
    project INTEGER NOT NULL REFERENCES projects,
    thread TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (project, thread)
) WITHOUT ROWID;
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
CREATE TABLE people_versions (
    digest TEXT PRIMARY KEY,  -- SHA-256 of the text
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE presence (
    console TEXT PRIMARY KEY,  -- an id that a console made for itself
    reviewer TEXT NOT NULL,
    review INTEGER NOT NULL REFERENCES reviews,
    until REAL NOT NULL  -- Unix time after which it no longer counts, unless the console renews it
) WITHOUT ROWID;
CREATE TABLE agent_names (
    name TEXT PRIMARY KEY,  -- that of its graph, or `graph@project` if an agent of another project has that already
    project INTEGER NOT NULL REFERENCES projects,
    graph TEXT NOT NULL,  -- its name in its project
    UNIQUE (project, graph)
) WITHOUT ROWID;
INSERT INTO agent_names VALUES ('mail_assistant', 1, 'mail_assistant');
INSERT INTO agent_names VALUES ('report_writer', 1, 'report_writer');
INSERT INTO agent_names VALUES ('sql_steward', 1, 'sql_steward');
CREATE TABLE grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    identified TEXT,  -- an `Identified`
    review INTEGER NOT NULL,  -- the call that it was made from
    slot INTEGER NOT NULL,
    decision INTEGER,  -- the decision in force on that call; NULL if there was none
    agent TEXT NOT NULL,
    run INTEGER,  -- the only run that it is for; NULL for all of the agent
    tool TEXT NOT NULL,
    digest TEXT,  -- of the only call that it is for; NULL for every call that `scope` holds for
    scope TEXT NOT NULL,  -- a condition as in a rule; empty for every call of the tool
    sources TEXT NOT NULL,  -- JSON, {argument: glob of the tools whose results it may come from}
    risk TEXT,  -- what the tool can do at worst, as the person says; NULL where the tool or a rule says it
    uses INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0,  -- calls that it let through
    for_s REAL NOT NULL,
    expires_at REAL NOT NULL,  -- moves with the clock
    expired INTEGER NOT NULL DEFAULT 0,  -- that its time is over is in the log
    revoked_at REAL,
    revoked_by TEXT,
    why TEXT NOT NULL DEFAULT '',  -- it was revoked
    signature INTEGER REFERENCES signatures
);
CREATE TABLE remarks (
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    source TEXT NOT NULL,  -- a `RemarkSource`
    body TEXT NOT NULL,  -- JSON
    problem TEXT NOT NULL,  -- why there is none, as a clause; empty if there is
    at REAL NOT NULL,
    PRIMARY KEY (review, slot, source)
) WITHOUT ROWID;
CREATE TABLE notifications (  -- one for each channel that an escalation, or a hand-back, is announced by
    id INTEGER PRIMARY KEY,
    escalation INTEGER REFERENCES escalations,
    takeover INTEGER REFERENCES takeovers ON DELETE CASCADE,  -- whose hand-back it announces; NULL for an escalation
    channel TEXT NOT NULL,  -- `desktop`, `command`, or `url:` and a hash: an address holds secrets
    state TEXT NOT NULL DEFAULT 'due',  -- `due → sending → sent`, with the exits `failed` and `dropped`
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    worker TEXT,
    ended_at REAL
);
CREATE INDEX runs_active ON runs (state) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_queued ON runs (id) WHERE state = 'queued';
CREATE INDEX runs_running ON runs (id) WHERE state = 'running';
CREATE INDEX runs_thread ON runs (thread);
CREATE UNIQUE INDEX runs_lease ON runs (thread) WHERE worker IS NOT NULL;
CREATE INDEX runs_cancelling ON runs (id) WHERE cancelling;
CREATE INDEX runs_worker ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_failed ON runs (id) WHERE state = 'failed' AND NOT failure_seen;
CREATE INDEX runs_attention ON runs (project) WHERE attention;
CREATE INDEX reviews_asked ON reviews (run, interrupt);
CREATE UNIQUE INDEX reviews_once ON reviews (run, interrupt) WHERE state IN ('open', 'decided', 'submitted');
CREATE INDEX reviews_waiting ON reviews (id) WHERE state = 'open';
CREATE INDEX reviews_decided ON reviews (effective_at) WHERE state = 'decided';
CREATE INDEX reviews_submitted ON reviews (run) WHERE state = 'submitted';
CREATE INDEX reviews_deadline ON reviews (deadline_at) WHERE state = 'open' AND deadline_at IS NOT NULL;
CREATE UNIQUE INDEX review_views_once ON review_views (review, reviewer_key);
CREATE UNIQUE INDEX decisions_slot ON decisions (review, slot) WHERE NOT superseded;
CREATE INDEX decisions_doubtful ON decisions (review) WHERE doubtful;
CREATE INDEX decisions_alike ON decisions (agent, tool) WHERE NOT superseded;
CREATE INDEX decisions_refused ON decisions (agent, tool, id) WHERE kind = 'reject' AND message IS NOT NULL AND NOT superseded;
CREATE UNIQUE INDEX endorsements_one ON endorsements (review, slot, actor_key) WHERE withdrawn_at IS NULL;
CREATE INDEX audit_review ON audit (review) WHERE review IS NOT NULL;
CREATE INDEX audit_policies ON audit (seq) WHERE kind = 'policy';
CREATE INDEX escalations_review ON escalations (review);
CREATE INDEX escalations_new ON escalations (id) WHERE NOT taken_up;
CREATE INDEX escalations_next ON escalations (next_at) WHERE acknowledged_at IS NULL AND next_at IS NOT NULL;
CREATE UNIQUE INDEX takeovers_one ON takeovers (run) WHERE state IN ('open', 'handed_back', 'submitted');
CREATE INDEX takeovers_run ON takeovers (run);
CREATE INDEX takeovers_ready ON takeovers (id) WHERE state = 'handed_back';
CREATE UNIQUE INDEX rule_counts_once ON rule_counts (rule, outcome);
CREATE INDEX history_at ON history (at);
CREATE INDEX history_of ON history (agent, tool, decision);
CREATE INDEX history_read ON history (actor_key, decision) WHERE in_force AND viewed_ms IS NOT NULL;
CREATE INDEX history_people ON history (agent, tool, decision)  -- of a million calls that policy approved, the few that people decided
    WHERE in_force AND actor_kind = 'person';
CREATE INDEX history_refused ON history (agent, tool, decision)
    WHERE in_force AND kind IN ('edit', 'reject') AND actor_kind = 'person';
CREATE UNIQUE INDEX history_names_once ON history_names (field, name);
CREATE UNIQUE INDEX cells_once ON cells (scope, agent, tool, actor_key, rule);
CREATE INDEX tallies_most ON tallies (scope, measure, cell, count) WHERE grain = 0 AND measure IN ('edited', 'reason');
CREATE VIEW countable AS  -- what a decision adds to the counters
SELECT h.decision, h.agent, h.tool, h.actor, h.actor_key, h.rule, h.kind, h.actor_kind = 'person' AS is_person,
    CAST(h.at / 86400 AS INTEGER) AS day, (CAST(h.at / 86400 AS INTEGER) + 3) / 7 * 7 - 3 AS week,
    bucket(h.at - h.opened_at) AS waited, CASE WHEN h.viewed_ms IS NOT NULL THEN bucket(h.viewed_ms / 1000.0) END AS viewed,
    CASE WHEN h.confidence BETWEEN 0 AND 1 THEN h.confidence END AS confidence,
    CASE h.kind WHEN 'edit' THEN edited(a.args, d.args) ELSE '[]' END AS edited,
    CASE h.kind WHEN 'reject' THEN worded(d.message) ELSE '' END AS reason
FROM history h JOIN decisions d ON d.id = h.decision JOIN actions a ON a.review = h.review AND a.slot = h.slot;
CREATE VIEW measures AS  -- the same, a row for each value that is counted; `+` keeps numbers numbers
SELECT decision, day, week, 'decided' AS measure, +kind AS value FROM countable
UNION ALL SELECT decision, day, week, 'waited', waited FROM countable WHERE is_person AND waited IS NOT NULL
UNION ALL SELECT decision, day, week, 'about', waited / 4 FROM countable WHERE is_person AND waited IS NOT NULL
UNION ALL SELECT decision, day, week, 'viewed', viewed FROM countable WHERE is_person AND viewed IS NOT NULL
UNION ALL SELECT decision, day, week, 'edited', e.value FROM countable, json_each(edited) e WHERE is_person AND edited != '[]'
UNION ALL SELECT decision, day, week, 'reason', reason FROM countable WHERE is_person AND reason != '';
CREATE VIEW counted_in AS  -- the cells that a decision is counted in; they need not exist yet
SELECT decision, 'tool' AS scope, agent, tool, '' AS actor, '' AS actor_key, '' AS rule FROM countable WHERE is_person
UNION ALL SELECT decision, 'reviewer', '', '', actor, actor_key, '' FROM countable WHERE is_person
UNION ALL SELECT decision, 'rule', '', '', '', '', rule FROM countable WHERE is_person
UNION ALL SELECT decision, 'each', agent, tool, actor, actor_key, rule FROM countable WHERE is_person
UNION ALL SELECT decision, 'itself', agent, tool, actor, actor_key, rule FROM countable WHERE NOT is_person;
CREATE UNIQUE INDEX feedback_once ON feedback (run, coalesce(review, 0), coalesce(slot, -1), coalesce(event, -1), actor_key)
    WHERE withdrawn_at IS NULL;
CREATE INDEX feedback_decision ON feedback (decision) WHERE decision IS NOT NULL AND withdrawn_at IS NULL;
CREATE INDEX feedback_run ON feedback (run) WHERE review IS NULL AND event IS NULL AND withdrawn_at IS NULL;
CREATE INDEX autonomy_of ON autonomy (agent, tool, id);
CREATE INDEX autonomy_decision ON autonomy (decision) WHERE decision IS NOT NULL;
CREATE VIEW levels AS SELECT * FROM autonomy a WHERE id = (SELECT max(id) FROM autonomy WHERE agent = a.agent AND tool = a.tool);
CREATE UNIQUE INDEX lessons_topic ON lessons (agent, tool, topic);
CREATE INDEX lessons_rev ON lessons (rev);
CREATE TRIGGER attention_never_sent BEFORE UPDATE OF submitted_by, submitted_at ON reviews
WHEN (NEW.submitted_by IS NOT NULL OR NEW.submitted_at IS NOT NULL) AND EXISTS (SELECT 1 FROM attention_checks WHERE review = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'an attention check is never sent to any agent');
END;
CREATE TRIGGER attention_never_driven BEFORE UPDATE OF worker ON runs WHEN NEW.worker IS NOT NULL AND NEW.attention BEGIN
    SELECT RAISE(ABORT, 'an attention check is never driven by any worker');
END;
CREATE TRIGGER attention_never_queued BEFORE UPDATE OF state ON runs
WHEN NEW.attention AND NEW.state IN ('queued', 'running', 'failed') BEGIN
    SELECT RAISE(IGNORE);
END;
CREATE TRIGGER attention_never_taken BEFORE INSERT ON takeovers WHEN (SELECT attention FROM runs WHERE id = NEW.run) BEGIN
    SELECT RAISE(ABORT, 'an attention check cannot be taken over');
END;
CREATE TRIGGER attention_stays BEFORE UPDATE OF attention ON runs WHEN NEW.attention != OLD.attention BEGIN
    SELECT RAISE(ABORT, 'a run is an attention check from its beginning or never');
END;
CREATE TRIGGER attention_kept BEFORE DELETE ON attention_checks BEGIN
    SELECT RAISE(ABORT, 'an attention check stays one');
END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_chained BEFORE INSERT ON audit BEGIN
    SELECT RAISE(ABORT, 'the entry does not continue the audit')
    WHERE NEW.seq != (SELECT coalesce(max(seq), 0) + 1 FROM audit)
        OR NEW.hash != chained(coalesce((SELECT hash FROM audit WHERE seq = NEW.seq - 1), ''),
            NEW.seq, NEW.at, NEW.kind, NEW.actor, NEW.actor_kind, NEW.run, NEW.review, NEW.body);
END;
CREATE TRIGGER runs_made AFTER INSERT ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;
CREATE TRIGGER runs_changed AFTER UPDATE ON runs BEGIN INSERT INTO changes (run) VALUES (NEW.id); END;
CREATE TRIGGER reviews_made AFTER INSERT ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews BEGIN INSERT INTO changes (review) VALUES (NEW.id); END;
CREATE TRIGGER takeovers_made AFTER INSERT ON takeovers BEGIN INSERT INTO changes (run) VALUES (NEW.run); END;
CREATE TRIGGER takeovers_changed AFTER UPDATE OF state ON takeovers BEGIN INSERT INTO changes (run) VALUES (NEW.run); END;
CREATE TRIGGER feedback_made AFTER INSERT ON feedback BEGIN INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review); END;
CREATE TRIGGER feedback_withdrawn AFTER UPDATE OF withdrawn_at ON feedback BEGIN
    INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review);
END;
CREATE TRIGGER history_follows AFTER UPDATE OF superseded ON decisions WHEN NEW.superseded != OLD.superseded BEGIN
    UPDATE history SET in_force = NOT NEW.superseded WHERE decision = NEW.id;
END;
CREATE TRIGGER history_teaches AFTER UPDATE OF in_force ON history  -- lessons are drawn anew from what was refused or corrected
WHEN NEW.in_force != OLD.in_force AND NEW.kind IN ('edit', 'reject') AND NEW.actor_kind = 'person' BEGIN
    INSERT INTO lessons_due (agent, tool) VALUES (NEW.agent, NEW.tool) ON CONFLICT (agent, tool) DO UPDATE SET news = news + 1;
END;
CREATE TRIGGER snoozes_end AFTER UPDATE ON reviews WHEN EXISTS (SELECT 1 FROM snoozes WHERE review = NEW.id) BEGIN
    DELETE FROM snoozes WHERE review = NEW.id;
END;
CREATE INDEX reviews_urgent ON reviews (id, escalated, deadline_at, risk)
WHERE state = 'open' AND (escalated != '' OR deadline_at IS NOT NULL OR risk = 'irreversible');
CREATE VIEW history_source AS
SELECT d.id AS decision, d.at, v.run, v.id AS review, d.slot, v.agent, a.name AS tool, d.kind, d.actor, d.actor_kind, d.actor_key, a.rule,
    coalesce(a.confidence, CASE v.slots WHEN 1 THEN v.confidence END) AS confidence, v.opened_at, d.viewed_ms, d.seen, d.reading_ms,
    length(a.args) AS size, a.spot_check, NOT d.superseded AS in_force,
    'agent' || hex(lower(v.agent)) || ' tool' || hex(lower(a.name)) || ' by' || hex(lower(d.actor)) || ' rule' || hex(lower(a.rule))
        || ' run' || v.run || ' review' || v.id || ' decided' || d.kind || ' kind' || hex(v.kind)
        || ' risk' || hex(coalesce(a.risk, v.risk, 'unknown')) || ' outcome' || coalesce(a.outcome, 'none') AS facets,
    v.agent || ' ' || a.name || ' ' || d.actor || ' ' || substr(a.args, 1, 4000) || ' ' || substr(coalesce(d.args, ''), 1, 4000)
        || ' ' || substr(coalesce(d.message, ''), 1, 4000) AS words
FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.review NOT IN (SELECT review FROM attention_checks);
CREATE INDEX runs_failed_at ON runs (ended_at) WHERE state = 'failed';
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX audit_launched ON audit (run) WHERE kind = 'launched';
CREATE INDEX audit_people ON audit (seq) WHERE kind = 'people';
CREATE INDEX grants_live ON grants (agent, tool) WHERE revoked_at IS NULL AND NOT expired AND taken < uses;
CREATE INDEX grants_running ON grants (expires_at) WHERE revoked_at IS NULL AND NOT expired AND taken < uses;
CREATE INDEX actions_grant ON actions (grant_id) WHERE grant_id IS NOT NULL;
CREATE TRIGGER remarks_made AFTER INSERT ON remarks BEGIN INSERT INTO changes (review) VALUES (NEW.review); END;
CREATE TRIGGER takeovers_confirmed AFTER UPDATE OF unconfirmed ON takeovers BEGIN INSERT INTO changes (run) VALUES (NEW.run); END;
CREATE INDEX decisions_identified ON decisions (identified);
CREATE INDEX audit_opened ON audit (run) WHERE kind = 'opened';
CREATE INDEX audit_revoked ON audit (seq) WHERE kind = 'grant_revoked';
CREATE INDEX audit_clock ON audit (seq) WHERE kind = 'clock';
CREATE INDEX takeovers_unannounced ON takeovers (id) WHERE NOT announced;
CREATE INDEX takeovers_unconfirmed ON takeovers (id) WHERE unconfirmed;
CREATE UNIQUE INDEX notifications_once ON notifications (escalation, channel);
CREATE INDEX notifications_due ON notifications (due_at) WHERE state IN ('due', 'sending');
CREATE INDEX notifications_takeover ON notifications (takeover) WHERE takeover IS NOT NULL;
CREATE INDEX audit_handed_back ON audit (run) WHERE kind = 'handed_back';
CREATE INDEX audit_confirmed ON audit (run) WHERE kind = 'confirmed';
CREATE INDEX audit_practiced ON audit (seq) WHERE kind = 'practiced';
CREATE VIEW judged_first AS  -- the first decision on a tool's calls of each judgement, and every decision that no person made
SELECT h.decision FROM history h
WHERE h.actor_kind != 'person' OR NOT EXISTS (
    SELECT 1 FROM history s
    WHERE s.at = h.at AND s.decision < h.decision AND s.actor_kind = 'person' AND s.actor_key = h.actor_key
        AND s.agent = h.agent AND s.tool = h.tool
);
CREATE TRIGGER history_counted AFTER UPDATE OF in_force ON history WHEN NEW.in_force != OLD.in_force BEGIN
    INSERT OR IGNORE INTO cells (scope, agent, tool, actor, actor_key, rule)
    SELECT scope, agent, tool, actor, actor_key, rule FROM counted_in WHERE decision = NEW.decision;

    INSERT INTO tallies (scope, grain, measure, day, cell, value, count)
    SELECT c.scope, g.value, m.measure, CASE g.value WHEN 0 THEN 0 WHEN 1 THEN m.day ELSE m.week END, c.id, m.value,
        NEW.in_force - OLD.in_force
    FROM counted_in i CROSS JOIN cells c CROSS JOIN measures m CROSS JOIN json_each('[0, 1, 7]') g
    WHERE i.decision = NEW.decision AND m.decision = NEW.decision
        AND c.scope = i.scope AND c.agent = i.agent AND c.tool = i.tool AND c.actor_key = i.actor_key AND c.rule = i.rule
        AND NOT (m.measure = 'about' AND (c.scope = 'each' OR g.value = 0))
    ON CONFLICT (scope, grain, measure, day, cell, value) DO UPDATE SET count = count + excluded.count;

    INSERT INTO beliefs (scope, grain, day, cell, bin, count, confidence, squares, good, believed_good)
    SELECT c.scope, g.value, CASE g.value WHEN 0 THEN 0 WHEN 1 THEN n.day ELSE n.week END, c.id,
        min(19, CAST(n.confidence * 20 AS INTEGER)), n.sign, n.sign * n.confidence, n.sign * n.confidence * n.confidence,
        n.sign * n.good, n.sign * n.good * n.confidence
    FROM (SELECT *, NEW.in_force - OLD.in_force AS sign, kind = 'approve' AS good FROM countable
            WHERE decision = NEW.decision AND is_person AND confidence IS NOT NULL
                AND decision IN (SELECT decision FROM judged_first WHERE decision = NEW.decision)) n
        CROSS JOIN counted_in i CROSS JOIN cells c CROSS JOIN json_each('[0, 1, 7]') g
    WHERE i.decision = NEW.decision AND i.scope IN ('tool', 'each')
        AND c.scope = i.scope AND c.agent = i.agent AND c.tool = i.tool AND c.actor_key = i.actor_key AND c.rule = i.rule
    ON CONFLICT (scope, grain, day, cell, bin) DO UPDATE SET count = count + excluded.count,
        confidence = confidence + excluded.confidence, squares = squares + excluded.squares, good = good + excluded.good,
        believed_good = believed_good + excluded.believed_good;
END;
