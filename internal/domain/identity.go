package domain

import "context"

// Identity is who sent a request, as their access token says.
type Identity struct {
	UserID int64
	Email  string
	Role   Role
}

// identityKey is the context key of the Identity.
type identityKey struct{}

// WithIdentity gives a context that carries who sent the request.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityFrom gives who sent the request, and whether that is known.
func IdentityFrom(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}
