-- +goose Up
-- A user's pending holds over all shows, for the limit of them.
CREATE INDEX bookings_pending_by_user_idx ON bookings (user_id) WHERE status = 'PENDING';

-- +goose Down
DROP INDEX bookings_pending_by_user_idx;
