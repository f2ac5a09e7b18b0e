package middleware

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
)

// requestKey is the context key of the request's own facts.
type requestKey struct{}

// request is all that is kept of a request while it is served, in one piece of memory: the context of its
// handlers, the answer, and facts, which are filled in on the way in and read by the access log on the way
// out. One goroutine serves a request, so it needs no lock.
type request struct {
	context.Context //nolint:containedctx // it is a context, in which the facts are found

	answer   answer
	id       string
	clientIP netip.Addr
	userID   int64
	route    string // its pattern, once it was looked up
	start    time.Time
}

// Value gives the request itself under its key.
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.Context.Value(key)
}

func requestFrom(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// startOf gives when Identify saw the request, or now.
func startOf(r *http.Request) time.Time {
	if info := requestFrom(r.Context()); info != nil {
		return info.start
	}
	return time.Now()
}

// RequestID gives the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if r := requestFrom(ctx); r != nil {
		return r.id
	}
	return ""
}

// ClientIP gives the address of the client whose request ctx belongs to. It is not valid when
// that is unknown.
func ClientIP(ctx context.Context) netip.Addr {
	if r := requestFrom(ctx); r != nil {
		return r.clientIP
	}
	return netip.Addr{}
}

// requestIDAttr is the name of the id in log lines.
const requestIDAttr = "request_id"

// requestIDKey is the name of the header in the form that http.Header wants.
var requestIDKey = http.CanonicalHeaderKey(respond.RequestIDHeader)

// maxRequestID bounds the ids that clients choose, in bytes.
const maxRequestID = 128

// Identify gives every request an id and finds out where it comes from. The id is the client's
// X-Request-ID if that is short and harmless, and otherwise a new one; the answer carries it,
// as does every line that is logged with the request's context. The address is the peer's
// unless the peer is one of the proxies, which tell it in X-Forwarded-For.
func Identify(proxies []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			id := ""
			if given := r.Header[requestIDKey]; len(given) > 0 {
				id = given[0]
			}
			if !safeRequestID(id) {
				id = newRequestID()
			}
			w.Header()[requestIDKey] = []string{id}
			info := &request{
				Context: r.Context(), answer: answer{ResponseWriter: w},
				id: id, clientIP: clientIP(r, proxies), start: start,
			}
			next.ServeHTTP(&info.answer, r.WithContext(info))
		})
	}
}

// newRequestID gives an id that no other request has. It is no secret, so it need not cost a read of the
// system's random numbers for each request.
func newRequestID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // of base32: 5 bits a letter
	const ofOne = 12                                    // letters of one number
	var id [2 * ofOne]byte
	var bits uint64
	for i := range id {
		if i%ofOne == 0 {
			bits = rand.Uint64() //nolint:gosec // no secret
		}
		id[i] = alphabet[bits%uint64(len(alphabet))]
		bits /= uint64(len(alphabet))
	}
	return string(id[:])
}

// safeRequestID reports whether a client's id can be logged and sent back as it is.
func safeRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// NoteUser tells the access log, behind Authenticate, who is asking.
func NoteUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := domain.IdentityFrom(r.Context()); ok {
			if info := requestFrom(r.Context()); info != nil {
				info.userID = id.UserID
			}
		}
		next.ServeHTTP(w, r)
	})
}
