package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The reasons not to use a database.
var (
	ErrWrongEncoding = errors.New("the encoding must be UTF8: " +
		"create a database with CREATE DATABASE evently TEMPLATE template0 ENCODING 'UTF8'")
	ErrForeignObjects = errors.New("nothing was changed, because another service seems to use this database: " +
		"create one for Evently alone with CREATE DATABASE evently, and put it into DATABASE_URL")
)

const maxNamed = 8 // objects in an error

func checkDatabase(ctx context.Context, databaseURL string) (err error) {
	config, err := connConfig(databaseURL)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := checkEncoding(ctx, conn); err != nil {
		return err
	}
	return checkOwner(ctx, conn)
}

func checkEncoding(ctx context.Context, conn *pgx.Conn) error {
	var name, encoding string
	err := conn.QueryRow(ctx, `
		SELECT datname, pg_encoding_to_char(encoding)
		FROM pg_database
		WHERE datname = current_database()`).Scan(&name, &encoding)
	if err != nil {
		return fmt.Errorf("schema: read the encoding: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("schema: the database %q has the encoding %s: %w", name, encoding, ErrWrongEncoding)
	}
	return nil
}

// checkOwner looks for objects with names of ours in a database without migrations of ours. It reads objects
// first: an instance that migrates meanwhile commits both together.
func checkOwner(ctx context.Context, conn *pgx.Conn) error {
	found, err := namesakes(ctx, conn)
	if err != nil || len(found) == 0 {
		return err
	}
	applied, err := appliedVersions(ctx, conn)
	if err != nil || len(applied) > 0 {
		return err
	}
	more := ""
	if len(found) > maxNamed {
		found, more = found[:maxNamed], fmt.Sprintf(" and %d more", len(found)-maxNamed)
	}
	return fmt.Errorf("schema: the database %q already has %s%s: %w",
		conn.Config().Database, strings.Join(found, ", "), more, ErrForeignObjects)
}

// namesakes returns the objects whose names the migrations use, tables first.
func namesakes(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	var ours []string
	for object := range strings.Lines(expectedObjects) {
		if kind, name, _ := strings.Cut(strings.TrimSpace(object), " "); kind != "constraint" {
			ours = append(ours, name)
		}
	}
	return names(ctx, conn, `
		SELECT kind || ' ' || name
		FROM (
			SELECT CASE WHEN relkind IN ('r', 'p') THEN 'table' WHEN relkind IN ('i', 'I') THEN 'index' ELSE 'relation' END AS kind,
			       relname AS name
			FROM pg_class
			WHERE relnamespace = current_schema()::regnamespace AND relname = ANY ($1)
			UNION ALL
			SELECT 'type', typname
			FROM pg_type
			WHERE typnamespace = current_schema()::regnamespace AND typname = ANY ($1) AND typrelid = 0
		) found
		ORDER BY kind <> 'table', kind <> 'type', kind, name`, ours)
}
