-- +goose Up
-- Settings of one show's waiting room; NULL means the configured default. Rows are never deleted:
-- the version orders the changes.
CREATE TABLE waiting_room_overrides (
    show_id              bigint      NOT NULL,
    mode                 text,
    max_concurrent_users bigint,
    batch_size           bigint,
    version              bigint      NOT NULL DEFAULT 1,
    updated_at           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT waiting_room_overrides_pkey PRIMARY KEY (show_id),
    CONSTRAINT waiting_room_overrides_show_fkey FOREIGN KEY (show_id) REFERENCES shows (show_id) ON DELETE CASCADE,
    CONSTRAINT waiting_room_overrides_mode_known CHECK (mode IN ('auto', 'queue_all', 'passthrough', 'closed')),
    CONSTRAINT waiting_room_overrides_users_range CHECK (max_concurrent_users BETWEEN 1 AND 1000000),
    CONSTRAINT waiting_room_overrides_batch_range CHECK (batch_size BETWEEN 1 AND 10000)
);

-- +goose Down
DROP TABLE waiting_room_overrides;
