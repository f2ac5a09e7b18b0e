package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"evently/internal/domain"
	"evently/internal/service"
)

// SQLSTATE codes that have a meaning for the service.
const (
	codeForeignKeyViolation = "23503"
	codeUniqueViolation     = "23505"
	codeCheckViolation      = "23514"
	codeExclusionViolation  = "23P01"
	codeInvalidText         = "22P02"
	codeSerialization       = "40001"
	codeDeadlock            = "40P01"
	codeIdleTransaction     = "25P03"
	codeReadOnly            = "25006"

	classConnection         = "08"
	classResources          = "53"
	classOperatorIntervened = "57"
)

type acquireError struct {
	cause     error
	exhausted bool
}

func (e *acquireError) Error() string { return "acquire a connection: " + e.cause.Error() }
func (e *acquireError) Unwrap() error { return e.cause }

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}

func retryable(err error) bool {
	return hasCode(err, codeSerialization, codeDeadlock)
}

// constraintErrors are what the violation of a constraint means, unless a statement says otherwise.
var constraintErrors = map[string]*domain.Error{
	"users_email_key_key":     domain.ErrEmailTaken,
	"seats_venue_fkey":        domain.ErrVenueNotFound,
	"seats_label_key":         domain.ErrSeatConflict,
	"seats_guid_key":          domain.ErrSeatConflict,
	"show_seats_seat_fkey":    domain.ErrSeatsInUse,
	"booking_seats_seat_fkey": domain.ErrSeatsInUse,
	"shows_event_fkey":        domain.ErrEventNotFound,
	"shows_venue_fkey":        domain.ErrVenueNotFound,
	"shows_end_after_start":   domain.ErrEndNotAfterStart,
	"shows_venue_busy":        domain.ErrVenueBusy,
}

// violated returns the name of the constraint that a statement violated, or "".
func violated(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	switch pg.Code {
	case codeForeignKeyViolation, codeUniqueViolation, codeCheckViolation, codeExclusionViolation:
		return pg.ConstraintName
	}
	return ""
}

// notFound maps "no rows" to a domain error. Other errors are returned as they are.
func notFound(err error, meaning *domain.Error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return meaning
	}
	return err
}

// translate maps errors of the driver to domain errors.
func (s *Store) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var coded *domain.Error
	var replay *service.Replay
	if errors.As(err, &coded) || errors.As(err, &replay) {
		return err
	}
	if meaning := constraintErrors[violated(err)]; meaning != nil {
		return meaning.WithCause(err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	var acquire *acquireError
	if errors.As(err, &acquire) && acquire.exhausted && errors.Is(err, context.DeadlineExceeded) {
		return domain.ErrOverloaded.WithCause(err)
	}
	if ctx.Err() != nil || unavailable(err) {
		return domain.ErrDatabaseUnavailable.WithCause(err)
	}
	return domain.ErrInternal.WithCause(err)
}

// unavailable reports an error of the connection, or of a server that is stopping, starting or out of resources,
// in contrast to an error of the statement.
func unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == codeIdleTransaction, // this instance hung, and the server ended its session
			pg.Code == codeReadOnly, // a primary that another has replaced
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

func connectionLost(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}
