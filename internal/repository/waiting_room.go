package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

func (s *Store) RoomOverrides(ctx context.Context, showID int64) (domain.RoomOverrides, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.RoomOverrides], domain.ErrShowNotFound, `
		SELECT o.mode, o.max_concurrent_users, o.batch_size, coalesce(o.version, 0)
		FROM shows
		LEFT JOIN waiting_room_overrides o USING (show_id)
		WHERE shows.show_id = $1 AND shows.deleted_at IS NULL`,
		showID)
}

func (s *Store) ChangeRoomOverrides(ctx context.Context, showID int64, change domain.RoomChange) (domain.RoomOverrides, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.RoomOverrides], domain.ErrShowNotFound, `
		INSERT INTO waiting_room_overrides AS o (show_id, mode, max_concurrent_users, batch_size)
		SELECT show_id, $2, $3, $4
		FROM shows
		WHERE show_id = $1 AND deleted_at IS NULL
		ON CONFLICT (show_id) DO UPDATE
		SET mode                 = CASE WHEN $5 THEN excluded.mode ELSE o.mode END,
		    max_concurrent_users = CASE WHEN $6 THEN excluded.max_concurrent_users ELSE o.max_concurrent_users END,
		    batch_size           = CASE WHEN $7 THEN excluded.batch_size ELSE o.batch_size END,
		    version              = o.version + 1,
		    updated_at           = now()
		RETURNING mode, max_concurrent_users, batch_size, version`,
		showID,
		change.Mode.Value, change.MaxUsers.Value, change.BatchSize.Value,
		change.Mode.Set, change.MaxUsers.Set, change.BatchSize.Set)
}
