package domain

import (
	"errors"
	"slices"
	"time"
)

// Kind groups error codes by what the caller can do about them. The respond
// package turns a Kind into a status; nothing else does.
type Kind uint8

// The kinds of error. The zero value is internal, so that an error nobody
// classified never reveals itself.
const (
	KindInternal Kind = iota
	KindInvalid
	KindUnauthenticated
	KindPaymentRequired
	KindForbidden
	KindNotFound
	KindMethodNotAllowed
	KindConflict
	KindGone
	KindTooLarge
	KindUnsupportedMedia
	KindUnprocessable
	KindTooManyRequests
	KindUnavailable
)

// Error is the one coded error of Evently: what went wrong in a stable word for
// programs, in a safe sentence for people, and the cause for the log alone.
type Error struct {
	Kind    Kind
	Code    string   // stable, machine readable
	Message string   // safe to show
	Details []string // "field: why", for invalid input
	Fields  []Field  // further members of the error body, such as failed_seats
	// RetryAfter tells when trying again makes sense; 0 is unknown.
	RetryAfter time.Duration
	Cause      error // never shown
}

// Field is one further member of an error body.
type Field struct {
	Name  string // in plain letters
	Value any    // what encoding/json can write
}

// Field gives the value of the further member of that name, nil when there is none.
func (e *Error) Field(name string) any {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// Error gives the code, the message and the cause. It is for logs, not for bodies.
func (e *Error) Error() string {
	text := e.Code + ": " + e.Message
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an Error of the same code, so that
// errors.Is(err, domain.ErrShowNotFound) holds for copies with details.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// With gives a copy that carries one more member of the error body.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Fields = append(slices.Clip(e.Fields), Field{name, value})
	return &c
}

// WithDetails gives a copy that lists what is wrong with which field.
func (e *Error) WithDetails(details ...string) *Error {
	c := *e
	c.Details = details
	return &c
}

// WithCause gives a copy that wraps what went wrong underneath.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// WithMessage gives a copy with another sentence for people.
func (e *Error) WithMessage(message string) *Error {
	c := *e
	c.Message = message
	return &c
}

// WithRetryAfter gives a copy that says when to try again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}
