DROP TRIGGER threads_text_changed;
DROP TRIGGER threads_text_removed;
DROP TRIGGER threads_text_added;
DROP TABLE threads_by_text;
DROP INDEX turns_by_id;
ALTER TABLE turns DROP COLUMN item_count;
ALTER TABLE turns DROP COLUMN error;
ALTER TABLE threads DROP COLUMN landmarks;
