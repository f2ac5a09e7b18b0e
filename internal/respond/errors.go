package respond

import "evently/internal/domain"

// Kinds of errors that only HTTP has.
const (
	kindMethodNotAllowed domain.Kind = 100 + iota
	kindBodyTooLarge
	kindUnsupportedMediaType
)

// Errors that are about HTTP alone.
var (
	ErrRouteNotFound        = &domain.Error{Kind: domain.KindNotFound, Code: "route_not_found", Message: "Route not found"}
	ErrMethodNotAllowed     = &domain.Error{Kind: kindMethodNotAllowed, Code: "method_not_allowed", Message: "Method not allowed"}
	ErrBodyTooLarge         = &domain.Error{Kind: kindBodyTooLarge, Code: "body_too_large", Message: "The request body is too large"}
	ErrUnsupportedMediaType = &domain.Error{Kind: kindUnsupportedMediaType, Code: "unsupported_media_type", Message: "Content-Type must be application/json"}
)
