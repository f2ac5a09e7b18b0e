package domain

import "context"

// Claim is one request's hold on an idempotency key: while it lasts, no other request with the
// same key does the work.
type Claim struct {
	UserID int64
	Route  string // method and route pattern: the same key on another route is another key
	Key    string
	Token  string // tells this claim from a later one of the same key
	// Recorded is set when the answer was stored together with the work.
	Recorded bool
}

// StoredAnswer is what the first request with a key was told.
type StoredAnswer struct {
	Status int
	Body   []byte
}

// claimKey is the context key of the Claim.
type claimKey struct{}

// WithClaim gives a context that carries the claim of the request.
func WithClaim(ctx context.Context, claim *Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, claim)
}

// ClaimFrom gives the claim of the request, nil when it carries no idempotency key.
func ClaimFrom(ctx context.Context) *Claim {
	claim, _ := ctx.Value(claimKey{}).(*Claim)
	return claim
}
