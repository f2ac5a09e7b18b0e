package respond

import "evently/internal/domain"

const (
	kindMethodNotAllowed domain.Kind = 100 + iota
	kindBodyTooLarge
	kindMediaType
)

// Errors of HTTP alone.
var (
	ErrRouteNotFound        = newError(domain.KindNotFound, "route_not_found", "Route not found")
	ErrMethodNotAllowed     = newError(kindMethodNotAllowed, "method_not_allowed", "Method not allowed")
	ErrBodyTooLarge         = newError(kindBodyTooLarge, "body_too_large", "The request body is too large")
	ErrUnsupportedMediaType = newError(kindMediaType, "unsupported_media_type", "Content-Type must be application/json")
)

func newError(kind domain.Kind, code, message string) *domain.Error {
	return &domain.Error{Kind: kind, Code: code, Message: message}
}
