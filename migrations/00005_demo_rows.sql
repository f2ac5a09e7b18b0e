-- +goose Up
-- Rows that the demo data created. Each names one row of another table and goes with it.
CREATE TABLE demo_rows (
    demo_key text   NOT NULL,
    user_id  bigint,
    venue_id bigint,
    event_id bigint,
    show_id  bigint,
    CONSTRAINT demo_rows_pkey PRIMARY KEY (demo_key),
    CONSTRAINT demo_rows_user_key UNIQUE (user_id),
    CONSTRAINT demo_rows_venue_key UNIQUE (venue_id),
    CONSTRAINT demo_rows_event_key UNIQUE (event_id),
    CONSTRAINT demo_rows_show_key UNIQUE (show_id),
    CONSTRAINT demo_rows_user_fkey FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE,
    CONSTRAINT demo_rows_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id) ON DELETE CASCADE,
    CONSTRAINT demo_rows_event_fkey FOREIGN KEY (event_id) REFERENCES events (event_id) ON DELETE CASCADE,
    CONSTRAINT demo_rows_show_fkey FOREIGN KEY (show_id) REFERENCES shows (show_id) ON DELETE CASCADE,
    CONSTRAINT demo_rows_one_row CHECK (num_nonnulls(user_id, venue_id, event_id, show_id) = 1)
);
COMMENT ON COLUMN demo_rows.demo_key IS 'Place of the row in the demo data. retired-N is show N, which was replaced and is kept for its bookings.';

-- +goose Down
DROP TABLE demo_rows;
