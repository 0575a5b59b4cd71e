-- The insights view reads what people practised: few of many entries.
CREATE INDEX audit_practiced ON audit (seq) WHERE kind = 'practiced';
