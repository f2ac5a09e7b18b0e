package domain

import (
	"errors"
	"slices"
	"time"
)

// Kind groups errors by what happened. Package respond maps it to a status.
type Kind uint8

// The kinds of error. The zero value is internal: an error without a kind shows nothing.
const (
	KindInternal Kind = iota
	KindInvalid
	KindUnauthenticated
	KindPaymentRequired
	KindForbidden
	KindNotFound
	KindConflict
	KindExpired
	KindKeyReused // an idempotency key with another request
	KindLimited   // too many requests, users or streams
	KindUnavailable
)

// Error is the coded error of Evently: a stable code for programs, a safe message for people and the cause for the
// log.
type Error struct {
	Kind       Kind
	Code       string        // stable, machine readable
	Message    string        // safe to show
	Details    []string      // "field: why", for invalid input
	Fields     []Field       // further members of the error body, such as failed_seats
	RetryAfter time.Duration // 0 is unknown
	Cause      error         // never shown
}

// Field is one further member of an error body.
type Field struct {
	Name  string
	Value any // encoded as JSON
}

func (e *Error) Field(name string) any {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

func (e *Error) Error() string {
	text := e.Code + ": " + e.Message
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an Error of the same code: copies are equal to the original.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// With returns a copy with a further member of the error body.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Fields = append(slices.Clip(e.Fields), Field{name, value})
	return &c
}

func (e *Error) WithDetails(details ...string) *Error {
	c := *e
	c.Details = details
	return &c
}

func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

func (e *Error) WithMessage(message string) *Error {
	c := *e
	c.Message = message
	return &c
}

func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}
