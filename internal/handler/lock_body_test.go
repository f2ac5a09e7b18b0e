package handler

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"evently/internal/domain"
)

// As clients write it, a body is read the short way; what is odd or wrong is left to the long one.
func TestPlainLockBodies(t *testing.T) {
	t.Parallel()
	most := strings.Repeat("7,", maxSeatIDs-1) + "7"
	for body, plain := range map[string]bool{
		`{"show_id":4711,"seat_ids":[1,2,3]}`:                                       true,
		` { "seat_ids" : [ 9223372036854775807 ] ,` + "\r\n\t" + `"show_id" : 1 } `: true,
		`{"show_id":1,"seat_ids":[` + most + `]}`:                                   true,
		`{"show_id":1,"seat_ids":[` + most + `,7]}`:                                 false,
		`{"show_id":1,"seat_ids":[9223372036854775808]}`:                            false,
		`{"show_id":01,"seat_ids":[1]}`:                                             false,
		`{"show_id":1.0,"seat_ids":[1]}`:                                            false,
		`{"show_id":1,"seat_ids":[1e1]}`:                                            false,
		`{"show_id":1,"seat_ids":[0]}`:                                              false,
		`{"show_id":-1,"seat_ids":[1]}`:                                             false,
		`{"show_id":1,"seat_ids":[]}`:                                               false,
		`{"show_id":1,"seat_ids":[1,]}`:                                             false,
		`{"show_id":1,"seat_ids":null}`:                                             false,
		`{"show_id":1,"seat_ids":[1],}`:                                             false,
		`{"show_id":1,"seat_ids":[1]`:                                               false,
		`{"show_id":1,"seat_ids":[1]}{}`:                                            false,
		`{"show_id":1,"show_id":1,"seat_ids":[1]}`:                                  false,
		`{"seat_ids":[1],"seat_ids":[1],"show_id":1}`:                               false,
		`{"show_id":1}`:                                                             false,
		`{"seat_ids":[1]}`:                                                          false,
		`{"show_id":1,"seat_ids":[1],"x":1}`:                                        false,
		`{"SHOW_ID":1,"seat_ids":[1]}`:                                              false,
		`{,"show_id":1,"seat_ids":[1]}`:                                             false,
		`{}`:                                                                        false,
		``:                                                                          false,
	} {
		if _, ok := readPlainLock([]byte(body)); ok != plain {
			t.Errorf("%.60s is plain: %t", body, ok)
		}
	}
}

// FuzzPlainLock holds the short way of reading the body of a lock against the long one.
func FuzzPlainLock(f *testing.F) {
	for _, body := range []string{
		`{"show_id":1,"seat_ids":[1,2]}`, ` { "seat_ids" : [ 9223372036854775807 ] , "show_id" : 10 } `, `{"show_id":1,"seat_ids":[1]}x`,
		`{"show_id":1,"seat_ids":[01]}`, `{"show_id":1,"seat_ids":[1],"show_id":2}`, `{"show_id":1 2,"seat_ids":[1]}`, `{"show_id":1,"seat_ids":[1 2]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		short, ok := readPlainLock(body)
		if !ok {
			return
		}
		var long lockRequest
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.Header.Set("Content-Type", "application/json")
		if err := decodeBody(r, body, &long); err != nil || !reflect.DeepEqual(short, long) {
			t.Errorf("%q is %+v, and by the long way %+v, %v", body, short, long, err)
		}
	})
}

// Both ways of reading a lock are one route's: what is wrong is told all the same.
func TestALockIsReadByEitherWay(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		show int64
		err  error
	}{
		`{"show_id":1,"seat_ids":[2]}`:          {show: 1},
		`{"show_id":1,"seat_\u0069ds":[2]}`:     {show: 1}, // odd, and right
		`{"show_id":1,"seat_ids":[2],"show":1}`: {err: domain.ErrUnknownField},
		`{"show_id":1,"seat_ids":[0]}`:          {err: domain.ErrValidation},
		``:                                      {err: domain.ErrInvalidJSON},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		got, err := readLock(httptest.NewRecorder(), r)
		if !errors.Is(err, want.err) || got.ShowID != want.show && want.err == nil || want.err == nil && fmt.Sprint(got.SeatIDs) != "[2]" {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
		r = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"show_id":1,"seat_ids":[2]}`))
		r.Header.Set("Content-Type", "text/plain")
		if _, err := readLock(httptest.NewRecorder(), r); !errors.Is(err, domain.ErrUnsupportedMedia) {
			t.Errorf("as text: %v", err)
		}
	}
}
