package domain

import "context"

// Identity is who is asking, as a verified access token tells it. It is a copy from when the
// token was issued: a role that changes afterwards shows with the next token.
type Identity struct {
	UserID int64
	Email  string
	Role   Role
}

// Known reports whether r is one of the roles.
func (r Role) Known() bool { return r == RoleUser || r == RoleAdmin }

// identityKey is the context key of the Identity.
type identityKey struct{}

// WithIdentity gives a context that carries who is asking.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityFrom gives who is asking; false means that nobody was authenticated.
func IdentityFrom(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}
