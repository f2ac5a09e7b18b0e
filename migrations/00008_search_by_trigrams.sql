-- +goose Up
-- Searches read all names otherwise, which is quick enough for some ten thousand. The extension may be missing, or may
-- not be for this user to create: the service does not need it.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX venues_name_trgm_idx ON venues USING gin (name_folded gin_trgm_ops);
    CREATE INDEX events_title_trgm_idx ON events USING gin (title_folded gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'no trigram indexes: %', SQLERRM;
END $$;
-- +goose StatementEnd

-- The extension stays: others may use it.
-- +goose Down
DROP INDEX IF EXISTS venues_name_trgm_idx, events_title_trgm_idx;
