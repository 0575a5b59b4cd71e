-- Who must confirm a hand-back is notified of it, by the channels of escalations.
ALTER TABLE takeovers ADD COLUMN announced INTEGER NOT NULL DEFAULT 1;  -- 0: a worker has yet to queue the notifications of its hand-back
CREATE INDEX takeovers_unannounced ON takeovers (id) WHERE NOT announced;
CREATE INDEX takeovers_unconfirmed ON takeovers (id) WHERE unconfirmed;
CREATE TEMP TABLE kept AS SELECT id, escalation, channel, state, due_at, tries, error, worker, ended_at FROM notifications;
DROP TABLE notifications;
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
INSERT INTO notifications (id, escalation, channel, state, due_at, tries, error, worker, ended_at)
SELECT id, escalation, channel, state, due_at, tries, error, worker, ended_at FROM temp.kept;
DROP TABLE temp.kept;
CREATE UNIQUE INDEX notifications_once ON notifications (escalation, channel);
CREATE INDEX notifications_due ON notifications (due_at) WHERE state IN ('due', 'sending');
CREATE INDEX notifications_takeover ON notifications (takeover) WHERE takeover IS NOT NULL;
CREATE INDEX audit_handed_back ON audit (run) WHERE kind = 'handed_back';
CREATE INDEX audit_confirmed ON audit (run) WHERE kind = 'confirmed';
