package service

import "context"

// patienceKey is the context key of WithPatience.
type patienceKey struct{}

// WithPatience gives a context for work on many rows at once, such as the seats of a venue in all of
// its shows: the store lets it take longer than what users wait for.
func WithPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, true)
}

// Patient reports whether ctx is one of WithPatience.
func Patient(ctx context.Context) bool { return ctx.Value(patienceKey{}) != nil }
