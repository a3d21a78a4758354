-- Where a thread's rollout is to be taken up (JSON), so that resuming reads a few lines instead of the file.
ALTER TABLE threads ADD COLUMN landmarks TEXT NOT NULL DEFAULT '';
-- What a turn failed with (JSON), and how many items it has.
ALTER TABLE turns ADD COLUMN error TEXT;
ALTER TABLE turns ADD COLUMN item_count INTEGER NOT NULL DEFAULT 0;
-- Cursors name turns by id.
CREATE INDEX turns_by_id ON turns (thread_key, turn_id);

-- Searches find first messages by any part of three letters or more.
CREATE VIRTUAL TABLE threads_by_text USING fts5 (
    title, content = 'threads', content_rowid = 'key', detail = 'none', tokenize = 'trigram case_sensitive 1'
);
CREATE TRIGGER threads_text_added AFTER INSERT ON threads BEGIN
    INSERT INTO threads_by_text (rowid, title) VALUES (new.key, new.title);
END;
CREATE TRIGGER threads_text_removed AFTER DELETE ON threads BEGIN
    INSERT INTO threads_by_text (threads_by_text, rowid, title) VALUES ('delete', old.key, old.title);
END;
CREATE TRIGGER threads_text_changed AFTER UPDATE OF title ON threads WHEN old.title <> new.title BEGIN
    INSERT INTO threads_by_text (threads_by_text, rowid, title) VALUES ('delete', old.key, old.title);
    INSERT INTO threads_by_text (rowid, title) VALUES (new.key, new.title);
END;

-- The rows lack what is new; the rollouts are read again.
UPDATE threads SET file_mtime_ns = 0;
INSERT INTO threads_by_text (threads_by_text) VALUES ('rebuild');
