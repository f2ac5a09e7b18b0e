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
	// maxToken is the longest token that is parsed, in bytes. One with the longest email has under 1 KiB.
	maxToken = 4 << 10
)

// TokensConfig configures Tokens.
type TokensConfig struct {
	// Secrets are the HMAC keys. The first one signs, all of them verify.
	Secrets []string
	TTL     time.Duration
	Now     func() time.Time
}

// Tokens issues and verifies access tokens: JWTs signed with HS256. It is safe for concurrent use.
type Tokens struct {
	signing []byte
	keys    jwt.VerificationKeySet
	ttl     time.Duration
	now     func() time.Time
	parser  *jwt.Parser
	known   *lru.Cache[[sha256.Size]byte, verifiedToken]
}

// verifiedToken is the result of a verification.
type verifiedToken struct {
	identity domain.Identity
	expires  time.Time
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
	known, err := lru.New[[sha256.Size]byte, verifiedToken](maxKnownTokens)
	if err != nil {
		return nil, err
	}
	return &Tokens{
		signing: []byte(config.Secrets[0]),
		keys:    jwt.VerificationKeySet{Keys: keys},
		ttl:     config.TTL,
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
	jwt.RegisteredClaims
}

// errNotIssued refuses a token with our signature that Issue has not made.
var errNotIssued = errors.New("claims are missing or contradict each other")

// Validate implements jwt.ClaimsValidator. iat is required but not compared with the clock: that of another
// instance may be a little ahead.
func (c *tokenClaims) Validate() error {
	if c.UserID <= 0 || c.Subject != strconv.FormatInt(c.UserID, 10) ||
		c.Email == "" || !c.Role.Known() || c.IssuedAt == nil {
		return errNotIssued
	}
	return nil
}

// Issue returns an access token for user that is valid for the TTL.
func (t *Tokens) Issue(user domain.User) (string, error) {
	now := t.now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &tokenClaims{
		UserID: user.ID,
		Email:  user.Email,
		Role:   user.Role,
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   strconv.FormatInt(user.ID, 10),
			Issuer:    tokenIssuer,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(t.ttl)),
		},
	}).SignedString(t.signing)
	if err != nil {
		return "", domain.ErrInternal.WithCause(err)
	}
	return token, nil
}

// Verify returns the identity of a token, without a query. It returns domain.ErrTokenExpired, or ErrUnauthorized
// for a token that Issue has not made.
func (t *Tokens) Verify(raw string) (domain.Identity, error) {
	if len(raw) > maxToken {
		return domain.Identity{}, domain.ErrUnauthorized
	}
	digest := sha256.Sum256([]byte(raw))
	if token, known := t.known.Get(digest); known && t.now().Before(token.expires) {
		return token.identity, nil
	}
	var claims tokenClaims
	_, err := t.parser.ParseWithClaims(raw, &claims, func(*jwt.Token) (any, error) { return t.keys, nil })
	switch {
	case err == nil:
		identity := domain.Identity{UserID: claims.UserID, Email: claims.Email, Role: claims.Role}
		t.known.Add(digest, verifiedToken{identity: identity, expires: claims.ExpiresAt.Time})
		return identity, nil
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, errNotIssued) && !errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return domain.Identity{}, domain.ErrTokenExpired
	default:
		return domain.Identity{}, domain.ErrUnauthorized.WithCause(err)
	}
}
