CREATE TABLE rule_counts (  -- how often each rule of the policy matched
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actions INTEGER NOT NULL,
    last_at REAL NOT NULL
);
CREATE UNIQUE INDEX rule_counts_once ON rule_counts (rule, outcome);
