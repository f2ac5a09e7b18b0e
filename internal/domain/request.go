package domain

import (
	"context"
	"net/netip"
)

// Request is what is known about the request that a context belongs to.
type Request struct {
	ID         string
	ClientAddr netip.Addr // not valid when unknown
	Identity   *Identity  // nil until the request is authenticated
	AuthError  error      // why Identity is nil, once authentication was tried

	// What its log line says besides; "" is nothing.
	Object    string // what an admin changes, such as "venue:12"
	EmailHash string // whose login has failed
}

type requestKey struct{}

// WithRequest returns a context that carries r.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom returns the request of ctx, or an empty one. It is never nil.
func RequestFrom(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return &Request{}
}

// WithIdentity returns a context whose request is authenticated as id.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	r := *RequestFrom(ctx)
	r.Identity = &id
	return WithRequest(ctx, &r)
}

// IdentityFrom returns the identity of the request of ctx; false means that it is not authenticated.
func IdentityFrom(ctx context.Context) (Identity, bool) {
	if id := RequestFrom(ctx).Identity; id != nil {
		return *id, true
	}
	return Identity{}, false
}
