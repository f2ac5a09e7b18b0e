-- +goose NO TRANSACTION
-- +goose Up
-- The version of a seat map is read from this index alone, and for that it needs the booking's id.
-- Both steps leave bookings usable while they run, and can be run again after one was broken off.
DROP INDEX CONCURRENTLY IF EXISTS bookings_live_by_show_new_idx;
CREATE INDEX CONCURRENTLY bookings_live_by_show_new_idx ON bookings (show_id)
    INCLUDE (booking_id, status, expires_at, seat_count) WHERE status <> 'CANCELLED';
DROP INDEX CONCURRENTLY IF EXISTS bookings_live_by_show_idx;
ALTER INDEX bookings_live_by_show_new_idx RENAME TO bookings_live_by_show_idx;

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS bookings_live_by_show_old_idx;
CREATE INDEX CONCURRENTLY bookings_live_by_show_old_idx ON bookings (show_id)
    INCLUDE (status, expires_at, seat_count) WHERE status <> 'CANCELLED';
DROP INDEX CONCURRENTLY IF EXISTS bookings_live_by_show_idx;
ALTER INDEX bookings_live_by_show_old_idx RENAME TO bookings_live_by_show_idx;
