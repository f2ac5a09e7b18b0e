// Package schema migrates a database to the schema of this binary and reports where the two differ.
// The migrations are the SQL files of package migrations.
//
// Instances that migrate at the same time take turns through a session-level advisory lock. The
// database URL must therefore lead to the server or to a pooler in session mode: through a pooler in
// transaction mode the lock would be held on one connection and the work done on another.
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
	// versionTable is where goose records what is applied. A name of our own tells Evently's
	// database from that of another service that uses goose.
	versionTable = "evently_migrations"

	// lockPeriod and lockAttempts bound the wait for another instance's migration: 5 minutes.
	lockPeriod, lockAttempts = 1, 300
	// unlockPeriod and unlockAttempts bound the release. The session ends right after.
	unlockPeriod, unlockAttempts = 1, 10

	connectTimeout = 10 * time.Second
)

// ErrNothingApplied is returned by Down on a database without migrations.
var ErrNothingApplied = errors.New("schema: no migration is applied")

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string    // file name
	AppliedAt time.Time // zero if it is pending
}

// Up applies all pending migrations in order, each in its own transaction. It does nothing to a
// database that is up to date or newer than this binary. While another instance migrates it waits,
// up to 5 minutes. It returns an error that wraps ErrWrongEncoding or ErrForeignObjects, and
// creates nothing, if the database cannot be Evently's.
func Up(ctx context.Context, databaseURL string, log *slog.Logger) error {
	if err := checkDatabase(ctx, databaseURL); err != nil {
		return err
	}
	return with(databaseURL, log, func(p *goose.Provider) error {
		if pending, err := p.HasPending(ctx); err == nil && pending {
			log.InfoContext(ctx, "applying migrations", "latest", Expected())
		}
		_, err := p.Up(ctx)
		return err
	})
}

// Down reverts the migration that was applied last, with the data in what it created. It returns
// ErrNothingApplied if there is none.
func Down(ctx context.Context, databaseURL string, log *slog.Logger) error {
	return with(databaseURL, log, func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return ErrNothingApplied
		}
		return err
	})
}

// Reset reverts all migrations, the last one first. All rows are lost.
func Reset(ctx context.Context, databaseURL string, log *slog.Logger) error {
	return with(databaseURL, log, func(p *goose.Provider) error {
		_, err := p.DownTo(ctx, 0)
		return err
	})
}

// Status returns the migrations of this binary in order.
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

// with runs f with a goose provider on its own connection. A provider serves one call only: its
// session locker counts attempts over its whole life.
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
		goose.WithTableName(versionTable),
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true),
		goose.WithVerbose(true), goose.WithSlog(slog.New(gooseLog{log.Handler()})),
	)
	if err != nil {
		return err
	}
	return f(p)
}

// gooseLog logs each finished migration and drops everything else that goose logs.
type gooseLog struct{ slog.Handler }

// Handle rewrites goose's record of a finished migration.
func (l gooseLog) Handle(ctx context.Context, r slog.Record) error {
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
				line.Message = "migration reverted"
			}
		}
		return true
	})
	return l.Handler.Handle(ctx, line)
}

func open(databaseURL string) (*sql.DB, error) {
	config, err := connConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*config), nil
}

func connConfig(databaseURL string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, err // pgx redacts the password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return config, nil
}
