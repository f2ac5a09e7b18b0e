package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// inWords puts the advice in front of an error of the database's driver.
func inWords(err error) error {
	var refused *pgconn.PgError
	switch unreachable := new(pgconn.ConnectError); {
	case !errors.As(err, &unreachable):
		return err
	case errors.As(err, &refused):
		return fmt.Errorf("the database refuses the connection: is DATABASE_URL right?\n%w", err)
	default:
		return fmt.Errorf("the database cannot be reached: is it running, and is DATABASE_URL right?\n%w", err)
	}
}
