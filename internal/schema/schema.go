// Package schema brings a database to the schema that this binary was built for, and tells when
// the two do not agree. The migrations themselves are the SQL files of package migrations.
//
// Changing the schema needs a session of its own: instances that start at the same time take
// turns through a session-level advisory lock. The database URL must therefore lead to the server
// or to a pooler in session mode. Through a pooler in transaction mode (PgBouncer's
// pool_mode=transaction) the lock would hold on one connection and the work run on another.
package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"evently/migrations"
)

const (
	// lockPeriod and lockAttempts bound the wait for another instance's migration: 5 minutes.
	lockPeriod, lockAttempts = 1, 300
	// unlockPeriod and unlockAttempts bound the release. The session ends right after, which
	// releases the lock in any case.
	unlockPeriod, unlockAttempts = 1, 10

	connectTimeout = 10 * time.Second
)

// ErrNothingApplied is returned by Down on a database without migrations.
var ErrNothingApplied = errors.New("schema: no migration is applied")

// Migration is one step of the schema.
type Migration struct {
	// Version is the number the file's name begins with.
	Version int64
	// Name is the file's name.
	Name string
	// AppliedAt is when it was applied to this database, zero when it is pending.
	AppliedAt time.Time
}

// Up applies all pending migrations in order, each in a transaction of its own. It does nothing
// on a database that is up to date, and on one that is newer than this binary. When another
// instance is migrating it waits for that one, up to 5 minutes.
func Up(ctx context.Context, databaseURL string, log *slog.Logger) error {
	return with(databaseURL, log, func(p *goose.Provider) error {
		if pending, err := p.HasPending(ctx); err == nil && pending {
			log.InfoContext(ctx, "applying migrations; this waits for another instance that does so", "latest", Expected())
		}
		_, err := p.Up(ctx)
		return err
	})
}

// Down takes back the migration that was applied last, with all the data in what it made. It
// returns ErrNothingApplied when there is none.
func Down(ctx context.Context, databaseURL string, log *slog.Logger) error {
	return with(databaseURL, log, func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return ErrNothingApplied
		}
		return err
	})
}

// Reset takes back all migrations, the last one first. Every row is lost.
func Reset(ctx context.Context, databaseURL string, log *slog.Logger) error {
	return with(databaseURL, log, func(p *goose.Provider) error {
		_, err := p.DownTo(ctx, 0)
		return err
	})
}

// Status lists the migrations of this binary in order, and when each was applied.
func Status(ctx context.Context, databaseURL string) ([]Migration, error) {
	var list []Migration
	err := with(databaseURL, slog.New(slog.DiscardHandler), func(p *goose.Provider) error {
		statuses, err := p.Status(ctx)
		for _, s := range statuses {
			m := Migration{Version: s.Source.Version, Name: path.Base(s.Source.Path)}
			if s.State == goose.StateApplied {
				m.AppliedAt = s.AppliedAt.UTC()
			}
			list = append(list, m)
		}
		return err
	})
	return list, err
}

// with runs f with a provider on a connection of its own, closed afterwards. The provider is made
// for each call because goose's session locker counts its attempts over its whole life.
func with(databaseURL string, log *slog.Logger, f func(*goose.Provider) error) (err error) {
	defer func() {
		if err != nil && !errors.Is(err, ErrNothingApplied) {
			err = fmt.Errorf("schema: %w", err)
		}
	}()
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockTimeout(lockPeriod, lockAttempts),
		lock.WithUnlockTimeout(unlockPeriod, unlockAttempts),
	)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true),
		goose.WithVerbose(true), goose.WithSlog(slog.New(journal{log.Handler()})),
	)
	if err != nil {
		return err
	}
	return f(p)
}

// journal has a line for each migration as soon as it is done, and for nothing else that goose says.
type journal struct{ slog.Handler }

// Handle passes on what goose says of a migration, in words of ours.
func (j journal) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != "migration completed" {
		return nil
	}
	line := slog.NewRecord(r.Time, r.Level, "migration applied", 0)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "source":
			line.AddAttrs(slog.String("migration", a.Value.String()))
		case "duration_seconds":
			line.AddAttrs(slog.Duration("took", time.Duration(a.Value.Float64()*float64(time.Second))))
		case "direction":
			if a.Value.String() == "down" {
				line.Message = "migration taken back"
			}
		}
		return true
	})
	return j.Handler.Handle(ctx, line)
}

func open(databaseURL string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, err // pgx leaves the password out of it
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return stdlib.OpenDB(*config), nil
}
