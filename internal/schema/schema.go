// Package schema migrates a database to the schema of this binary and reports where the two differ. Instances
// take turns through a session-level advisory lock, so the URL must not lead to a pooler in transaction mode.
package schema

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"evently/migrations"
)

const (
	// versionTable has a name of our own, which tells Evently's database from that of another user of goose.
	versionTable = "evently_migrations"

	lockPeriod, lockAttempts     = 1, 300 // seconds: the wait for another instance's migration
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

// Up applies all pending migrations in order, each in its own transaction. While another instance migrates it
// waits, up to 5 minutes. It returns an error that wraps ErrWrongEncoding or ErrForeignObjects, and creates
// nothing, if the database cannot be Evently's.
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

// NextDown returns the name of the migration that Down would revert, and the SQL that it would run.
func NextDown(ctx context.Context, databaseURL string) (name, statements string, err error) {
	list, err := Status(ctx, databaseURL)
	if err != nil {
		return "", "", err
	}
	for _, m := range slices.Backward(list) {
		if m.AppliedAt.IsZero() {
			continue
		}
		file, err := migrations.FS.ReadFile(m.Name)
		if err != nil {
			return "", "", fmt.Errorf("schema: %w", err)
		}
		_, down, _ := strings.Cut(string(file), "-- +goose Down\n")
		return m.Name, down, nil
	}
	return "", "", ErrNothingApplied
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

// with runs f with a goose provider of its own, whose session locker counts attempts over its whole life.
func with(databaseURL string, log *slog.Logger, f func(*goose.Provider) error) (err error) {
	defer func() {
		if err != nil && !errors.Is(err, ErrNothingApplied) {
			err = fmt.Errorf("schema: %w", err)
		}
	}()
	config, err := connConfig(databaseURL)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
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
