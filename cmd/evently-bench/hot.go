package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// seatUpdates counts the updates of show_seats, by everybody: the service, the yardstick and the
// preparation. One that is HOT (heap-only) found room on its page and wrote no index entry.
type seatUpdates struct {
	scenario string
	all, hot int64
}

func (u seatUpdates) ratio() float64 { return float64(u.hot) / float64(u.all) }

const (
	goneWithin = 15 * time.Second
	gonePoll   = 20 * time.Millisecond
)

// noteUpdates adds what was counted in the database of a service that was stopped. A session hands
// in its counts before it is gone, so all others have to be.
func (in *instance) noteUpdates(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, in.databaseURL)
	if err != nil {
		return err
	}
	for others := true; others && err == nil; {
		err = conn.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_stat_activity
			               WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend')`).Scan(&others)
		if others && err == nil {
			err = wait(ctx, gonePoll)
		}
	}
	var all, hot int64
	if err == nil {
		err = conn.QueryRow(ctx, `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'show_seats'`).Scan(&all, &hot)
	}
	in.stack.updates.all += all
	in.stack.updates.hot += hot
	return errors.Join(err, conn.Close(ctx))
}

// updatesMarkdown gives the counts as a table; nothing when there are none.
func updatesMarkdown(scenarios []seatUpdates) string {
	if len(scenarios) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| scenario (`-run`) | updates of `show_seats` | HOT |\n|---|---|---|\n")
	for _, u := range scenarios {
		fmt.Fprintf(&b, "| %s | %d | %.3f |\n", u.scenario, u.all, u.ratio())
	}
	return b.String()
}
