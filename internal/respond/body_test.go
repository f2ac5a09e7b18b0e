package respond_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/respond"
)

func TestReadBodyReadsWhatIsThere(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		want   string
		err    error
	}{
		"nothing":                {strings.NewReader(""), 0, "", nil},
		"as long as it says":     {strings.NewReader("abc"), 3, "abc", nil},
		"byte by byte":           {iotest.OneByteReader(strings.NewReader("abc")), 3, "abc", nil},
		"of unknown length":      {strings.NewReader("abc"), -1, "abc", nil},
		"longer than it says":    {strings.NewReader(long), 3, long, nil},
		"long":                   {strings.NewReader(long), 10_000, long, nil},
		"shorter than it says":   {strings.NewReader("ab"), 3, "ab", io.ErrUnexpectedEOF},
		"broken off":             {io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), 3, "ab", broken},
		"broken off by the peer": {io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(io.ErrUnexpectedEOF)), 3, "ab", io.ErrUnexpectedEOF},
		"broken behind its end":  {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 3, "abc", broken},
		"beyond the limit":       {http.MaxBytesReader(nil, io.NopCloser(strings.NewReader("abc")), 2), 3, "ab", &http.MaxBytesError{Limit: 2}},
	} {
		got, err := respond.ReadBody(c.body, c.length)
		var tooLarge *http.MaxBytesError
		if same := errors.Is(err, c.err) || errors.As(c.err, &tooLarge) && errors.As(err, &tooLarge); string(got) != c.want || !same {
			t.Errorf("%s: %.20q, %v", name, got, err)
		}
	}
}

func TestAnErrorHasOneShape(t *testing.T) {
	t.Parallel()
	err := domain.ErrSeatsUnavailable.With("failed_seats", []int64{2, 1}).With("a", `"<>"`).WithDetails("seat_ids: why")
	var got map[string]any
	if err := json.Unmarshal(respond.Body(err, "id"), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"message": "Some seats are no longer available", "code": "seats_unavailable", "request_id": "id",
		"details": []any{"seat_ids: why"}, "failed_seats": []any{2.0, 1.0}, "a": `"<>"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := json.Unmarshal(respond.Body(domain.ErrInternal.With("a", func() {}), "id"), &got); err != nil {
		t.Errorf("what cannot be encoded gives no JSON: %v", err)
	}
}
