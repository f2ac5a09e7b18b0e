package service

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"evently/internal/domain"
)

const (
	tokenIssuer     = "evently"
	defaultTokenTTL = 24 * time.Hour
	defaultStaffTTL = 12 * time.Hour
	// maxToken is the longest token that is parsed, in bytes. One with the longest email has under 1 KiB.
	maxToken = 4 << 10
)

// TokensConfig configures Tokens.
type TokensConfig struct {
	// Secrets are the HMAC keys. The first one signs, all of them verify.
	Secrets []string
	// TTL is how long a token is valid. 0 is 24 h.
	TTL time.Duration
	// StaffTTL is how long a token of staff and admins is valid, if that is shorter. 0 is 12 h.
	StaffTTL time.Duration
	// Epochs tells which tokens have ended; nil: none has.
	Epochs *Epochs
	Now    func() time.Time
}

// Tokens issues and verifies access tokens: JWTs signed with HS256. It is safe for concurrent use.
type Tokens struct {
	signing []byte
	keys    jwt.VerificationKeySet
	ttl     time.Duration
	staff   time.Duration
	epochs  *Epochs
	now     func() time.Time
	parser  *jwt.Parser
	// known has verified tokens by their digest: a client sends the same token with each request.
	known *lru.Cache[[sha256.Size]byte, domain.Identity]
}

// maxKnownTokens bounds the verified tokens that are cached: they take about 2 MB.
const maxKnownTokens = 8192

// NewTokens returns Tokens. No secret, or an empty one, is an error.
func NewTokens(config TokensConfig) (*Tokens, error) {
	if len(config.Secrets) == 0 {
		return nil, errors.New("no secret to sign access tokens with")
	}
	keys := make([]jwt.VerificationKey, len(config.Secrets))
	for i, secret := range config.Secrets {
		if secret == "" {
			return nil, fmt.Errorf("secret %d for access tokens is empty", i+1)
		}
		keys[i] = []byte(secret)
	}
	if config.TTL <= 0 {
		config.TTL = defaultTokenTTL
	}
	if config.StaffTTL <= 0 {
		config.StaffTTL = defaultStaffTTL
	}
	known, err := lru.New[[sha256.Size]byte, domain.Identity](maxKnownTokens)
	if err != nil {
		return nil, err
	}
	return &Tokens{
		signing: []byte(config.Secrets[0]),
		keys:    jwt.VerificationKeySet{Keys: keys},
		ttl:     config.TTL,
		staff:   min(config.TTL, config.StaffTTL),
		epochs:  config.Epochs,
		now:     config.Now,
		known:   known,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(tokenIssuer),
			jwt.WithExpirationRequired(),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(config.Now),
		),
	}, nil
}

type tokenClaims struct {
	UserID int64       `json:"user_id"`
	Email  string      `json:"email"`
	Role   domain.Role `json:"role"`
	Epoch  int32       `json:"epoch"`
	jwt.RegisteredClaims
}

// errNotIssued refuses a token with our signature that Issue has not made.
var errNotIssued = errors.New("claims are missing or contradict each other")

// Validate implements jwt.ClaimsValidator. iat is required but not compared with the clock: that of another
// instance may be a little ahead.
func (c *tokenClaims) Validate() error {
	if len(c.Audience) > 0 || c.Epoch < 0 || c.UserID <= 0 || c.Subject != strconv.FormatInt(c.UserID, 10) ||
		c.Email == "" || !c.Role.Known() || c.IssuedAt == nil {
		return errNotIssued
	}
	return nil
}

// Issue returns an access token for user.
func (t *Tokens) Issue(user domain.User) (string, error) {
	now, ttl := t.now(), t.ttl
	if user.Role != domain.RoleUser {
		ttl = t.staff
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &tokenClaims{
		UserID: user.ID,
		Email:  user.Email,
		Role:   user.Role,
		Epoch:  user.Epoch,
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   strconv.FormatInt(user.ID, 10),
			Issuer:    tokenIssuer,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
	}).SignedString(t.signing)
	if err != nil {
		return "", domain.ErrInternal.WithCause(err)
	}
	return token, nil
}

// Verify returns the identity of a token, without a query. It returns domain.ErrTokenExpired, or
// ErrUnauthorized for a token that has ended or that Issue has not made.
func (t *Tokens) Verify(raw string) (domain.Identity, error) {
	if len(raw) > maxToken {
		return domain.Identity{}, domain.ErrUnauthorized
	}
	digest := sha256.Sum256([]byte(raw))
	identity, known := t.known.Get(digest)
	if !known {
		var err error
		if identity, err = t.parse(raw); err != nil {
			return domain.Identity{}, err
		}
		t.known.Add(digest, identity)
	}
	return identity, t.Check(identity)
}

// Check returns domain.ErrTokenExpired or ErrUnauthorized if the token of an identity is no longer valid.
func (t *Tokens) Check(identity domain.Identity) error {
	switch {
	case !t.now().Before(identity.Expires):
		return domain.ErrTokenExpired
	case t.epochs != nil && t.epochs.Ended(identity):
		return domain.ErrUnauthorized
	}
	return nil
}

func (t *Tokens) parse(raw string) (domain.Identity, error) {
	var claims tokenClaims
	_, err := t.parser.ParseWithClaims(raw, &claims, t.keysFor)
	switch {
	case err == nil:
		return domain.Identity{
			UserID: claims.UserID, Email: claims.Email, Role: claims.Role,
			Epoch: claims.Epoch, Expires: claims.ExpiresAt.Time,
		}, nil
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, errNotIssued) && !errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return domain.Identity{}, domain.ErrTokenExpired
	default:
		return domain.Identity{}, domain.ErrUnauthorized.WithCause(err)
	}
}

// keysFor returns the keys of a token. It refuses extensions that must be understood (RFC 7515, 4.1.11):
// we understand none.
func (t *Tokens) keysFor(token *jwt.Token) (any, error) {
	if _, found := token.Header["crit"]; found {
		return nil, errNotIssued
	}
	return t.keys, nil
}
