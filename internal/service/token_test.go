package service_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

const tokenSecret = "a secret of thirty-two bytes, or more"

var (
	noon = time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	jo   = domain.User{ID: 7, Email: "Jo@example.com", Role: domain.RoleUser}
)

func newTokens(t testing.TB, now time.Time, secrets ...string) *service.Tokens {
	t.Helper()
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: secrets, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func issueToken(t testing.TB, tokens *service.Tokens, user domain.User) string {
	t.Helper()
	token, err := tokens.Issue(user)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// goodClaims are the claims of a token issued to jo at noon.
func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"sub": "7", "user_id": 7, "email": "Jo@example.com", "role": "user", "iss": "evently", "epoch": 0.0,
		"iat": noon.Unix(), "exp": noon.Add(24 * time.Hour).Unix(),
	}
}

func signToken(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestIssue_ClaimsOfTheContract(t *testing.T) {
	t.Parallel()
	token := issueToken(t, newTokens(t, noon, tokenSecret), jo)

	part := strings.Split(token, ".")
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]any{"alg": "HS256", "typ": "JWT"}, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	want := map[string]any{
		"sub": "7", "user_id": 7.0, "email": "Jo@example.com", "role": "user", "iss": "evently", "epoch": 0.0,
		"iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 24*60*60),
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestVerify_ReturnsTheIdentity(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, noon, tokenSecret)
	for user, ttl := range map[domain.User]time.Duration{
		jo: 24 * time.Hour,
		{ID: 1<<63 - 1, Email: "root@example.com", Role: domain.RoleAdmin, Epoch: 3}: 12 * time.Hour,
		{ID: 8, Email: "door@example.com", Role: domain.RoleStaff}:                   12 * time.Hour,
	} {
		got, err := tokens.Verify(issueToken(t, tokens, user))
		if err != nil {
			t.Fatal(err)
		}
		want := domain.Identity{UserID: user.ID, Email: user.Email, Role: user.Role, Epoch: user.Epoch, Expires: noon.Add(ttl)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("identity (-want +got):\n%s", diff)
		}
	}
}

func TestVerify_ExpiredToken(t *testing.T) {
	t.Parallel()
	token := issueToken(t, newTokens(t, noon, tokenSecret), jo)
	end := noon.Add(24 * time.Hour)
	if _, err := newTokens(t, end.Add(-time.Second), tokenSecret).Verify(token); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	for _, now := range []time.Time{end, end.Add(time.Second), end.Add(100 * 365 * 24 * time.Hour)} {
		if _, err := newTokens(t, now, tokenSecret).Verify(token); !errors.Is(err, domain.ErrTokenExpired) {
			t.Errorf("%s after its end: %v, want token_expired", now.Sub(end), err)
		}
	}
}

func TestVerify_TokensOfOthers(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, noon, tokenSecret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})

	with := func(name string, value any) string {
		claims := goodClaims()
		claims[name] = value
		return signToken(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims)
	}
	without := func(names ...string) string {
		claims := goodClaims()
		maps.DeleteFunc(claims, func(name string, _ any) bool {
			for _, n := range names {
				if n == name {
					return true
				}
			}
			return false
		})
		return signToken(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims)
	}
	good := signToken(t, jwt.SigningMethodHS256, []byte(tokenSecret), goodClaims())
	if _, err := tokens.Verify(good); err != nil {
		t.Fatalf("the valid token is refused: %v", err)
	}
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	admin := goodClaims()
	admin["role"] = "admin"
	_, adminRest, _ := strings.Cut(signToken(t, jwt.SigningMethodHS256, []byte("guess"), admin), ".")
	adminPayload, _, _ := strings.Cut(adminRest, ".")
	noneHeader := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))

	for name, token := range map[string]string{
		"empty":                         "",
		"a word":                        "token",
		"two dots":                      "..",
		"two parts":                     header + "." + payload,
		"four parts":                    good + ".x",
		"a blank behind":                good + " ",
		"another secret":                signToken(t, jwt.SigningMethodHS256, []byte("another secret of thirty-two bytes"), goodClaims()),
		"no signature":                  header + "." + payload + ".",
		"a changed payload":             header + "." + adminPayload + "." + signature,
		"the last bits of a signature":  good[:len(good)-1] + string(lastBitsFlipped(good[len(good)-1])),
		"alg none":                      signToken(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, goodClaims()),
		"alg none, our signature":       noneHeader + "." + payload + "." + signature,
		"alg None":                      base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None"}`)) + "." + payload + ".",
		"no alg":                        base64.RawURLEncoding.EncodeToString([]byte(`{}`)) + "." + payload + "." + signature,
		"HS384":                         signToken(t, jwt.SigningMethodHS384, []byte(tokenSecret), goodClaims()),
		"HS512":                         signToken(t, jwt.SigningMethodHS512, []byte(tokenSecret), goodClaims()),
		"RS256":                         signToken(t, jwt.SigningMethodRS256, rsaKey, goodClaims()),
		"HS256 with an RSA public key":  signToken(t, jwt.SigningMethodHS256, publicPEM, goodClaims()),
		"another issuer":                with("iss", "eventful"),
		"another issuer, and expired":   expiredElsewhere(t),
		"an unknown role":               with("role", "owner"),
		"an empty role":                 with("role", ""),
		"a role that is a number":       with("role", 1),
		"a sub of somebody else":        with("sub", "8"),
		"a sub that is a number":        with("sub", 7),
		"a user_id of somebody else":    with("user_id", 8),
		"a user_id that is a string":    with("user_id", "7"),
		"a fractional user_id":          with("user_id", 7.5),
		"user_id 0":                     signToken(t, jwt.SigningMethodHS256, []byte(tokenSecret), claimsWith(map[string]any{"user_id": 0, "sub": "0"})),
		"user_id -1":                    signToken(t, jwt.SigningMethodHS256, []byte(tokenSecret), claimsWith(map[string]any{"user_id": -1, "sub": "-1"})),
		"user_id 2^63":                  with("user_id", json.Number("9223372036854775808")),
		"an empty email":                with("email", ""),
		"exp that is a word":            with("exp", "tomorrow"),
		"exp null":                      with("exp", nil),
		"not good before tomorrow":      with("nbf", noon.Add(time.Hour).Unix()),
		"no sub":                        without("sub"),
		"no user_id":                    without("user_id"),
		"no email":                      without("email"),
		"no role":                       without("role"),
		"no iss":                        without("iss"),
		"no iat":                        without("iat"),
		"no exp":                        without("exp"),
		"no claims":                     without("sub", "user_id", "email", "role", "iss", "iat", "exp"),
		"longer than any, well signed":  with("padding", strings.Repeat("x", 4<<10)),
		"much longer, all dots":         strings.Repeat(".", 1<<20),
		"claims that are a list":        resigned(header, "[]"),
		"claims that are deeply nested": resigned(header, strings.Repeat("[", 2000)),
	} {
		identity, err := tokens.Verify(token)
		if !errors.Is(err, domain.ErrUnauthorized) || identity != (domain.Identity{}) {
			t.Errorf("%s: %+v, %v; want unauthorized", name, identity, err)
		}
	}
}

// lastBitsFlipped returns the last letter of 32 bytes in base64 with its two unused bits flipped.
func lastBitsFlipped(letter byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, letter)^1]
}

func claimsWith(values map[string]any) jwt.MapClaims {
	claims := goodClaims()
	maps.Copy(claims, values)
	return claims
}

func expiredElsewhere(t testing.TB) string {
	t.Helper()
	return signToken(t, jwt.SigningMethodHS256, []byte(tokenSecret),
		claimsWith(map[string]any{"iss": "eventful", "exp": noon.Add(-time.Hour).Unix()}))
}

// resigned signs a payload with our secret.
func resigned(header, payload string) string {
	text := header + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return text + "." + base64.RawURLEncoding.EncodeToString(tokenMAC(text))
}

func tokenMAC(text string) []byte {
	h := hmac.New(sha256.New, []byte(tokenSecret))
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestVerify_RotatedSecrets(t *testing.T) {
	t.Parallel()
	const next = "the secret that comes after it, as long"
	before := newTokens(t, noon, tokenSecret)
	during := newTokens(t, noon, next, tokenSecret)
	after := newTokens(t, noon, next)
	old, renewed := issueToken(t, before, jo), issueToken(t, during, jo)

	for name, check := range map[string]struct {
		tokens *service.Tokens
		token  string
		want   error
	}{
		"the old token while both count":         {during, old, nil},
		"the new token while both count":         {during, renewed, nil},
		"the new token when the old one is gone": {after, renewed, nil},
		"the old token when its secret is gone":  {after, old, domain.ErrUnauthorized},
		"the new token where it is not known":    {before, renewed, domain.ErrUnauthorized},
	} {
		if _, err := check.tokens.Verify(check.token); !errors.Is(err, check.want) {
			t.Errorf("%s: %v, want %v", name, err, check.want)
		}
	}
}

func TestNewTokens_MissingSecretsAreAnError(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{nil, {""}, {tokenSecret, ""}} {
		if _, err := service.NewTokens(service.TokensConfig{Secrets: secrets}); err == nil {
			t.Errorf("secrets %q: no error", secrets)
		}
	}
}

func FuzzVerify(f *testing.F) {
	tokens := newTokens(f, noon, tokenSecret)
	f.Add(issueToken(f, tokens, jo))
	f.Add(signToken(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, goodClaims()))
	f.Add(signToken(f, jwt.SigningMethodHS512, []byte(tokenSecret), goodClaims()))
	f.Add(expiredElsewhere(f))
	f.Add("e30.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		identity, err := tokens.Verify(raw)
		if err != nil {
			if !errors.Is(err, domain.ErrUnauthorized) && !errors.Is(err, domain.ErrTokenExpired) {
				t.Fatalf("not a 401: %v", err)
			}
			return
		}
		text, signature, _ := cutLast(raw)
		got, err := base64.RawURLEncoding.DecodeString(signature)
		if err != nil || !hmac.Equal(got, tokenMAC(text)) {
			t.Fatalf("accepted without our signature: %q", raw)
		}
		if identity.UserID <= 0 || !identity.Role.Known() || identity.Email == "" {
			t.Fatalf("accepted without a user: %+v", identity)
		}
	})
}

func cutLast(token string) (text, signature string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

func BenchmarkVerify(b *testing.B) {
	tokens := newTokens(b, noon, tokenSecret)
	token := issueToken(b, tokens, jo)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}

func TestVerify_CachedTokenExpires(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(noon)
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: []string{tokenSecret}, TTL: time.Hour, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	known := issueToken(t, tokens, jo)
	for range 2 {
		if got, err := tokens.Verify(known); err != nil || got.UserID != jo.ID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	clock.Advance(time.Hour - 1)
	if _, err := tokens.Verify(known); err != nil {
		t.Errorf("before its end: %v", err)
	}
	clock.Advance(1)
	if _, err := tokens.Verify(known); !errors.Is(err, domain.ErrTokenExpired) {
		t.Errorf("at its end: %v", err)
	}
	// Tokens that were evicted from the cache are verified again.
	for id := range int64(10_000) {
		user := domain.User{ID: id + 1, Email: jo.Email, Role: jo.Role}
		token := issueToken(t, tokens, user)
		for range 2 {
			if got, err := tokens.Verify(token); err != nil || got.UserID != user.ID {
				t.Fatalf("user %d: %+v, %v", user.ID, got, err)
			}
		}
	}
}
