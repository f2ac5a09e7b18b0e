package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"evently/internal/testkit"
)

func (b *boxOffice) snapshot(t testing.TB) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, table := range []string{
		"users", "venues", "seats", "events", "shows", "bookings", "show_seats", "booking_seats", "payments", "idempotency_keys",
	} {
		state[table] = testkit.Value[string](t, b.pool, fmt.Sprintf(
			`SELECT coalesce(md5(string_agg(md5(row::text), '' ORDER BY md5(row::text))), 'empty') FROM %s AS row`, table))
	}
	client := b.redis(t)
	keys, err := client.Keys(context.Background(), "seat_lock:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if state[key], err = client.Get(context.Background(), key).Result(); err != nil {
			t.Fatal(err)
		}
	}
	return state
}

func TestInput_InvalidRequestChangesNothing(t *testing.T) {
	t.Parallel()
	// One user sends more than 30 invalid booking requests.
	b := openBoxOffice(t, "BOOKING_RATE_LIMIT_PER_MINUTE=100")
	user, admin := b.user(t), b.admin(t)
	booking := b.hold(t, user, b.seats[0])
	other := b.hold(t, user, b.seats[1])
	elsewhere := testkit.NewShow(t, b.pool, testkit.Show{})
	venue := testkit.Value[int64](t, b.pool, `SELECT venue_id FROM shows WHERE show_id = $1`, b.show)
	before := b.snapshot(t)

	lock, pay := "/api/v1/bookings/lock", "/api/v1/bookings/payments/simulate"
	confirm := fmt.Sprintf("/api/v1/bookings/%d/confirm", booking)
	cancel := fmt.Sprintf("/api/v1/bookings/%d/cancel", booking)
	seat := b.seats[5]
	good := fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, b.show, seat)
	cases := []struct {
		name, token, method, path, body string
		status                          int
		code                            string
		detail                          string // how the one detail starts, when it matters
	}{
		{"empty", user, "POST", lock, ``, 400, "invalid_json", ""},
		{"not JSON", user, "POST", lock, `show_id=1`, 400, "invalid_json", ""},
		{"truncated", user, "POST", lock, good[:len(good)-3], 400, "invalid_json", ""},
		{"trailing data", user, "POST", lock, good + good, 400, "invalid_json", ""},
		{"a list", user, "POST", lock, `[1]`, 400, "invalid_json", ""},
		{"null", user, "POST", lock, `null`, 400, "invalid_json", ""},
		{"unknown field", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d],"price":1}`, b.show, seat), 400, "unknown_field", "price:"},
		{"mass assignment", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d],"user_id":1}`, b.show, seat), 400, "unknown_field", "user_id:"},
		{"field in capitals", user, "POST", lock, strings.Replace(good, "show_id", "Show_ID", 1), 400, "unknown_field", "Show_ID:"},
		{"field twice", user, "POST", lock, strings.Replace(good, "{", `{"show_id":1,`, 1), 400, "validation_failed", "show_id:"},
		{"not UTF-8", user, "POST", lock, "{\"\xff\":1}", 400, "invalid_json", ""},
		{"show as string", user, "POST", lock, `{"show_id":"1","seat_ids":[1]}`, 400, "validation_failed", "show_id:"},
		{"show as fraction", user, "POST", lock, `{"show_id":1.5,"seat_ids":[1]}`, 400, "validation_failed", "show_id:"},
		{"show 0", user, "POST", lock, `{"show_id":0,"seat_ids":[1]}`, 400, "validation_failed", "show_id:"},
		{"show -1", user, "POST", lock, `{"show_id":-1,"seat_ids":[1]}`, 400, "validation_failed", "show_id:"},
		{"show 2^63", user, "POST", lock, `{"show_id":9223372036854775808,"seat_ids":[1]}`, 400, "validation_failed", "show_id:"},
		{"no seats", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[]}`, b.show), 400, "validation_failed", "seat_ids:"},
		{"seats missing", user, "POST", lock, fmt.Sprintf(`{"show_id":%d}`, b.show), 400, "validation_failed", "seat_ids:"},
		{"seat as string", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,"1"]}`, b.show, seat), 400, "validation_failed", "seat_ids[1]:"},
		{"seat 0", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,0]}`, b.show, seat), 400, "validation_failed", "seat_ids[1]:"},
		{"seat 2^63", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[9223372036854775808]}`, b.show), 400, "validation_failed", "seat_ids[0]:"},
		{"SQL as seat", user, "POST", lock, `{"show_id":1,"seat_ids":"1); DROP TABLE bookings; --"}`, 400, "validation_failed", "seat_ids:"},
		{"duplicate seats", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,%d]}`, b.show, seat, seat), 400, "duplicate_seats", "seat_ids:"},
		{"seats of another venue", user, "POST", lock, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,%d]}`, elsewhere, seat, testkit.SeatIDs(t, b.pool, elsewhere)[0]), 400, "invalid_seats", ""},
		{"no such show", user, "POST", lock, fmt.Sprintf(`{"show_id":9223372036854775807,"seat_ids":[%d]}`, seat), 404, "show_not_found", ""},
		{"65 KiB", user, "POST", lock, good + strings.Repeat(" ", 65<<10), 413, "body_too_large", ""},
		{"amount as string", user, "POST", pay, fmt.Sprintf(`{"booking_id":%d,"amount":"450"}`, booking), 400, "validation_failed", "amount:"},
		{"three decimals", user, "POST", pay, fmt.Sprintf(`{"booking_id":%d,"amount":450.001}`, booking), 400, "amount_mismatch", ""},
		{"negative amount", user, "POST", pay, fmt.Sprintf(`{"booking_id":%d,"amount":-450}`, booking), 400, "amount_mismatch", ""},
		{"amount of 1e400", user, "POST", pay, fmt.Sprintf(`{"booking_id":%d,"amount":1e400}`, booking), 400, "amount_mismatch", ""},
		{"wrong amount", user, "POST", pay, fmt.Sprintf(`{"booking_id":%d,"amount":449.99}`, booking), 400, "amount_mismatch", ""},
		{"unknown outcome", user, "POST", pay, fmt.Sprintf(`{"booking_id":%d,"amount":450,"outcome":"maybe"}`, booking), 400, "validation_failed", "outcome:"},
		{"pay for no booking", user, "POST", pay, `{"booking_id":9223372036854775807,"amount":450}`, 404, "booking_not_found", ""},
		{"confirm another", user, "POST", confirm, fmt.Sprintf(`{"booking_id":%d}`, other), 400, "booking_mismatch", "booking_id:"},
		{"cancel another", user, "POST", cancel, fmt.Sprintf(`{"booking_id":%d}`, other), 400, "booking_mismatch", "booking_id:"},
		{"confirm with more", user, "POST", confirm, `{"amount":450}`, 400, "unknown_field", "amount:"},
		{"confirm null", user, "POST", confirm, `null`, 400, "invalid_json", ""},
		{"booking +1", user, "GET", "/api/v1/bookings/+1", ``, 400, "invalid_parameter", "booking_id:"},
		{"booking 01", user, "GET", "/api/v1/bookings/01", ``, 400, "invalid_parameter", "booking_id:"},
		{"confirm 0", user, "POST", "/api/v1/bookings/0/confirm", ``, 400, "invalid_parameter", "booking_id:"},
		{"cancel -1", user, "POST", "/api/v1/bookings/-1/cancel", ``, 400, "invalid_parameter", "booking_id:"},
		{"cancel 2^63", user, "POST", "/api/v1/bookings/9223372036854775808/cancel", ``, 400, "invalid_parameter", "booking_id:"},
		{"confirm SQL", user, "POST", "/api/v1/bookings/" + url.PathEscape("1 OR 1=1") + "/confirm", ``, 400, "invalid_parameter", "booking_id:"},
		{"booking 0", user, "GET", "/api/v1/bookings/0", ``, 400, "invalid_parameter", "booking_id:"},
		{"show 2^63 in path", "", "GET", "/api/v1/shows/9223372036854775808", ``, 400, "invalid_parameter", "show_id:"},
		{"seats of no show", "", "GET", "/api/v1/shows/9223372036854775807/seats", ``, 404, "show_not_found", ""},
		{"limit 0", "", "GET", "/api/v1/shows?limit=0", ``, 400, "invalid_parameter", "limit:"},
		{"limit 501", "", "GET", "/api/v1/shows?limit=501", ``, 400, "invalid_parameter", "limit:"},
		{"cursor", "", "GET", "/api/v1/shows?cursor=abc", ``, 400, "invalid_cursor", ""},
		{"status", user, "GET", "/api/v1/user/bookings?status=pending", ``, 400, "invalid_parameter", "status:"},
		{"time range", "", "GET", "/api/v1/shows/search?time_range=tomorrow", ``, 400, "invalid_parameter", "time_range:"},
		{"availability", "", "GET", "/api/v1/shows/search?availability=maybe", ``, 400, "invalid_parameter", "availability:"},
		{"NUL", "", "GET", "/api/v1/shows/search?venue=%00", ``, 400, "invalid_parameter", "venue:"},
		{"zero-width space", "", "GET", "/api/v1/shows/search?event=a%E2%80%8B", ``, 400, "invalid_parameter", "event:"},
		{"NUL in a password", "", "POST", "/api/v1/auth/register", `{"email":"a@b.example","password":"password\u0000"}`, 400, "validation_failed", "password:"},
		{"user as admin", user, "POST", "/api/v1/admin/events", `{"title":"Mine"}`, 403, "forbidden", ""},
		{"invisible title", admin, "POST", "/api/v1/admin/events", `{"title":"\u200b"}`, 400, "validation_failed", "title:"},
		{"direction override in title", admin, "POST", "/api/v1/admin/events", `{"title":"a\u202eb"}`, 400, "validation_failed", "title:"},
		{"invisible row", admin, "POST", fmt.Sprintf("/api/v1/admin/venues/%d/seats", venue), `{"seats":[{"seat_row":"A","seat_number":1},{"seat_row":"A\u200b","seat_number":1}]}`, 400, "validation_failed", "seats[1].seat_row:"},
		{"seat number as string", admin, "POST", fmt.Sprintf("/api/v1/admin/venues/%d/seats", venue), `{"seats":[{"seat_row":"A","seat_number":"1"}]}`, 400, "validation_failed", "seats[0].seat_number:"},
		{"blank title", admin, "POST", "/api/v1/admin/events", `{"title":"  "}`, 400, "validation_failed", "title:"},
		{"NUL in title", admin, "POST", "/api/v1/admin/events", `{"title":"a\u0000b"}`, 400, "validation_failed", "title:"},
		{"long title", admin, "POST", "/api/v1/admin/events", `{"title":"` + strings.Repeat("x", 256) + `"}`, 400, "validation_failed", "title:"},
		{"malformed query", admin, "GET", "/api/v1/admin/venues?limit=%zz", ``, 400, "invalid_parameter", "query:"},
		{"malformed days", admin, "GET", "/api/v1/admin/analytics?days=%zz", ``, 400, "invalid_parameter", "query:"},
		{"no such venue", admin, "DELETE", "/api/v1/admin/venues/9223372036854775807", ``, 404, "venue_not_found", ""},
		{"show in use", admin, "DELETE", fmt.Sprintf("/api/v1/admin/shows/%d", b.show), ``, 409, "show_has_bookings", ""},
		{"days", admin, "GET", "/api/v1/admin/analytics?days=0", ``, 400, "invalid_parameter", "days:"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := request{method: c.method, path: c.path, token: c.token}
			if c.body != "" || c.name == "empty" {
				in.body = c.body
			}
			response := b.send(t, in).want(t, c.status, c.code)
			details, _ := response.body["details"].([]any)
			if c.detail != "" && (len(details) == 0 || !strings.HasPrefix(fmt.Sprint(details[0]), c.detail)) {
				t.Errorf("details are %v, want one of %s", details, c.detail)
			}
		})
	}
	if diff := cmp.Diff(before, b.snapshot(t)); diff != "" {
		t.Errorf("invalid requests changed the stores: %s", diff)
	}
}

func TestInput_ContentTypeMustBeJSON(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	body := fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, b.show, b.seats[0])
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""} {
		b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: user, body: body,
			header: map[string]string{"Content-Type": contentType}}).want(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: user, body: body,
		header: map[string]string{"Content-Type": "application/json; charset=UTF-8"}}).want(t, http.StatusOK, "")
}

func TestInput_BodyMustNotBeCompressed(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	body := fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, b.show, b.seats[0])
	send := func(path, coding string) response {
		return b.send(t, request{method: http.MethodPost, path: "/api/v1" + path, token: user, body: body,
			header: map[string]string{"Content-Encoding": coding}})
	}
	for _, coding := range []string{"gzip", "br", "identity, gzip", "x"} {
		for _, path := range []string{"/bookings/lock", "/auth/login", "/bookings/1/confirm"} {
			send(path, coding).want(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
		}
	}
	send("/bookings/lock", "Identity").want(t, http.StatusOK, "")
}

func TestCursor_IsOfOneListAndItsFilters(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "SEARCH_RATE_LIMIT_PER_MINUTE=0")
	user, other, admin := b.user(t), b.user(t), b.admin(t)
	b.hold(t, user, b.seats[0])
	b.hold(t, user, b.seats[1])
	b.hold(t, other, b.seats[2])
	b.hold(t, other, b.seats[3])
	testkit.NewShow(t, b.pool, testkit.Show{})
	lists := []struct{ path, token string }{
		{"/api/v1/shows?", ""},
		{"/api/v1/shows/search?", ""},
		{"/api/v1/shows/search?event=e&", ""},
		{"/api/v1/shows/search?venue=e&", ""},
		{"/api/v1/shows/search?availability=available&", ""},
		{"/api/v1/shows/search?time_range=2020-01-01,&", ""},
		{"/api/v1/shows/search?time_range=,2199-01-01&", ""},
		{"/api/v1/user/bookings?", user},
		{"/api/v1/user/bookings?status=PENDING&", user},
		{"/api/v1/user/bookings?", other},
		{"/api/v1/admin/venues?", admin},
		{"/api/v1/admin/events?", admin},
	}
	cursors := make([]string, len(lists))
	for i, list := range lists {
		cursors[i] = url.QueryEscape(b.send(t, request{path: list.path + "limit=1", token: list.token}).
			want(t, http.StatusOK, "").text(t, "next_cursor"))
	}
	for i, list := range lists {
		for j, cursor := range cursors {
			response := b.send(t, request{path: list.path + "limit=2&cursor=" + cursor, token: list.token})
			if i == j && response.status != http.StatusOK {
				t.Errorf("%s with its own cursor: %d %s", list.path, response.status, response.code())
			}
			if i != j && (response.status != http.StatusBadRequest || response.code() != "invalid_cursor") {
				t.Errorf("%s with a cursor of %s: %d %s, want invalid_cursor", list.path, lists[j].path, response.status, response.code())
			}
		}
	}
}

func TestPay_AmountMayHaveAnySpelling(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	for i, amount := range []string{"450.0", "4.5e2", "4.5E+2", "45000e-2"} {
		body := fmt.Sprintf(`{"booking_id":%d,"amount":%s,"outcome":"success"}`, b.hold(t, user, b.seats[i]), amount)
		b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/payments/simulate", token: user, body: body}).want(t, http.StatusOK, "")
	}
}

func TestSearch_MetacharactersAreLiteral(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	percent := testkit.NewEvent(t, b.pool, `100% "Live" \ 'Best_of'`)
	show := testkit.NewShow(t, b.pool, testkit.Show{EventID: percent})
	for text, want := range map[string][]any{
		`100%`:                       {float64(show)},
		`_of`:                        {float64(show)},
		`%`:                          {float64(show)},
		`\`:                          {float64(show)},
		`live`:                       {float64(show)},
		`1%0`:                        {},
		`' OR '1'='1`:                {},
		`'; DROP TABLE bookings; --`: {},
	} {
		response := b.send(t, request{path: "/api/v1/shows/search?event=" + url.QueryEscape(text)}).want(t, http.StatusOK, "")
		got := []any{}
		for _, found := range response.body["shows"].([]any) {
			got = append(got, found.(map[string]any)["show_id"])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestAuth_ForgedTokenIsUnauthorized(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	secret := []byte(b.cfg.Auth.JWTSecrets[0].Reveal())
	id := testkit.NewUser(t, b.pool)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{
			"sub": fmt.Sprint(id), "user_id": id, "email": "user@example.com", "role": "user", "iss": "evently",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}
		change(c)
		return c
	}
	sign := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		token, err := jwt.NewWithClaims(method, claims(change)).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	same := func(jwt.MapClaims) {}
	good := sign(jwt.SigningMethodHS256, secret, same)
	get := request{path: "/api/v1/user/bookings"}
	get.token = good
	b.send(t, get).want(t, http.StatusOK, "")

	for name, c := range map[string]struct{ token, code string }{
		"none":              {"", "unauthorized"},
		"garbage":           {"abc.def.ghi", "unauthorized"},
		"alg none":          {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same), "unauthorized"},
		"alg HS512":         {sign(jwt.SigningMethodHS512, secret, same), "unauthorized"},
		"other secret":      {sign(jwt.SigningMethodHS256, []byte("another secret of thirty-two bytes"), same), "unauthorized"},
		"other issuer":      {sign(jwt.SigningMethodHS256, secret, func(c jwt.MapClaims) { c["iss"] = "other" }), "unauthorized"},
		"no expiry":         {sign(jwt.SigningMethodHS256, secret, func(c jwt.MapClaims) { delete(c, "exp") }), "unauthorized"},
		"user_id not sub":   {sign(jwt.SigningMethodHS256, secret, func(c jwt.MapClaims) { c["user_id"] = id + 1 }), "unauthorized"},
		"unknown role":      {sign(jwt.SigningMethodHS256, secret, func(c jwt.MapClaims) { c["role"] = "root" }), "unauthorized"},
		"expired":           {sign(jwt.SigningMethodHS256, secret, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }), "token_expired"},
		"signature cut off": {good[:len(good)-4], "unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			get := request{path: "/api/v1/user/bookings", token: c.token}
			response := b.send(t, get).want(t, http.StatusUnauthorized, c.code)
			if response.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("WWW-Authenticate is %q", response.header.Get("WWW-Authenticate"))
			}
		})
	}
}
