package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"evently/internal/domain"
)

// SQLSTATE codes that mean something here.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeForeignKeyViolation = "23503"
	codeUniqueViolation     = "23505"
	codeCheckViolation      = "23514"
	codeExclusionViolation  = "23P01"
	codeSerialization       = "40001"
	codeDeadlock            = "40P01"
	codeIdleTransaction     = "25P03"

	classConnection         = "08"
	classResources          = "53"
	classOperatorIntervened = "57"
)

// acquireError is a failure to get a connection at all.
type acquireError struct {
	cause     error
	exhausted bool
}

func (e *acquireError) Error() string { return "acquire a connection: " + e.cause.Error() }
func (e *acquireError) Unwrap() error { return e.cause }

// retryable reports a failure that PostgreSQL asks to answer with the same transaction again.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == codeSerialization || pg.Code == codeDeadlock)
}

// onConstraint turns a violation of a named constraint into the domain error that it stands
// for in this statement. The same foreign key means "no such venue" to an INSERT and "the
// venue has shows" to a DELETE, so the caller says which. Other errors pass.
func onConstraint(err error, meanings map[string]*domain.Error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case codeForeignKeyViolation, codeUniqueViolation, codeCheckViolation, codeExclusionViolation:
		if meaning, ok := meanings[pg.ConstraintName]; ok {
			return meaning.WithCause(err)
		}
	}
	return err
}

// notFound turns "no rows" into the domain error that it stands for. Other errors pass.
func notFound(err error, meaning *domain.Error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return meaning
	}
	return err
}

// translate is the edge: behind it there are domain errors, the caller's own cancellation and,
// for what nobody foresaw, an internal error that wraps the driver's.
func (s *Store) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var coded *domain.Error
	if errors.As(err, &coded) {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		// The caller went away: that is not the database's doing.
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	var acquire *acquireError
	if errors.As(err, &acquire) && acquire.exhausted && errors.Is(err, context.DeadlineExceeded) {
		return domain.ErrOverloaded.WithCause(err)
	}
	if ctx.Err() != nil || unavailable(err) { // what did not come in the caller's time may come later
		return domain.ErrDatabaseUnavailable.WithCause(err)
	}
	return domain.ErrInternal.WithCause(err)
}

// unavailable reports an error of the way to the database, or of a database that is going
// down, coming up or out of resources, as against one of the statement.
func unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == codeIdleTransaction, // we stood still for so long that the server gave us up
			strings.HasPrefix(pg.Code, classConnection),
			strings.HasPrefix(pg.Code, classResources),
			strings.HasPrefix(pg.Code, classOperatorIntervened):
			return true
		}
		return false
	}
	var acquire *acquireError
	var connect *pgconn.ConnectError
	return errors.As(err, &acquire) || errors.As(err, &connect) ||
		errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || connectionLost(err)
}

// connectionLost reports that the connection broke under the statement.
func connectionLost(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}
