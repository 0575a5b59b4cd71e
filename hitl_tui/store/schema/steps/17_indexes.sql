-- The history is filtered by how people were identified; hand-backs and uses of grants are checked against all that the log says of them.
CREATE INDEX decisions_identified ON decisions (identified);
CREATE INDEX audit_opened ON audit (run) WHERE kind = 'opened';
CREATE INDEX audit_revoked ON audit (seq) WHERE kind = 'grant_revoked';
CREATE INDEX audit_clock ON audit (seq) WHERE kind = 'clock';
