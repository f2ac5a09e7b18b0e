package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// seatUpdates counts the updates of show_seats in a scenario, those of the yardstick and the preparation
// included. HOT (heap-only) updates wrote no index entry.
type seatUpdates struct {
	scenario string
	all, hot int64
}

func (u seatUpdates) ratio() float64 { return float64(u.hot) / float64(u.all) }

const (
	sessionsEndWithin = 15 * time.Second
	sessionPoll       = 20 * time.Millisecond
)

// countUpdates adds the updates in the database of a stopped service. PostgreSQL counts those of a
// session at its end, so countUpdates waits until all sessions have ended.
func (in *instance) countUpdates(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, sessionsEndWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, in.databaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for others := true; others; {
		err := conn.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_stat_activity
			               WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend')`).Scan(&others)
		if err != nil {
			return err
		}
		if others {
			if err := wait(ctx, sessionPoll); err != nil {
				return err
			}
		}
	}
	var all, hot int64
	err = conn.QueryRow(ctx, `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'show_seats'`).Scan(&all, &hot)
	in.stack.updates.all += all
	in.stack.updates.hot += hot
	return err
}

// updatesMarkdown returns the counts as a table, or "" if there are none.
func updatesMarkdown(scenarios []seatUpdates) string {
	if len(scenarios) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| scenario | updates of `show_seats` | HOT |\n|---|---|---|\n")
	for _, u := range scenarios {
		fmt.Fprintf(&b, "| %s | %d | %.3f |\n", u.scenario, u.all, u.ratio())
	}
	return b.String()
}
