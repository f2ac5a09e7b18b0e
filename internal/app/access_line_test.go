package app

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"evently/internal/middleware"
)

// The short way of an access line ends where the long one does.
func TestAccessLinesAreWhatSlogWrites(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 31, 19, 30, 5, 120_000_000, time.FixedZone("", 3600))
	whole := middleware.AccessLine{
		Time: at, Level: slog.LevelInfo, Method: "GET", Route: "/shows/{show_id}", Status: 200, Bytes: 4711, Took: 1234567,
		ClientIP: netip.MustParseAddr("2001:db8::1"), UserID: 42, RequestID: "id-1",
	}
	bare := middleware.AccessLine{Time: at.UTC(), Level: slog.LevelDebug, Method: "PUT", Route: "none", Status: 404}
	odd := []middleware.AccessLine{whole, whole, whole, whole}
	odd[0].Method, odd[1].Route, odd[2].RequestID, odd[3].Level = `G"T`, "/é", "a\nb", slog.LevelWarn
	for _, line := range append(odd, whole, bare) {
		var short, long bytes.Buffer
		lines := &lineBuffer{w: &short, interval: time.Hour}
		h := gathering{Handler: slog.NewJSONHandler(lines, nil), lines: lines}
		if err := h.HandleAccess(t.Context(), &line); err != nil {
			t.Fatal(err)
		}
		lines.flush()
		if err := slog.NewJSONHandler(&long, nil).Handle(t.Context(), line.Record()); err != nil {
			t.Fatal(err)
		}
		if short.String() != long.String() {
			t.Errorf("\n%s is not\n%s", short.String(), long.String())
		}
	}
}

// What is derived from the handler writes its own attributes with every line.
func TestAccessLinesOfADerivedLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lines := &lineBuffer{w: &out, interval: time.Hour}
	h := gathering{Handler: slog.NewJSONHandler(lines, nil), lines: lines}.WithAttrs([]slog.Attr{slog.String("zone", "a")})
	line := middleware.AccessLine{Level: slog.LevelInfo, Method: "GET"}
	if err := middleware.HandleAccess(t.Context(), h, &line); err != nil {
		t.Fatal(err)
	}
	lines.flush()
	if !bytes.Contains(out.Bytes(), []byte(`"zone":"a"`)) {
		t.Errorf("it wrote %s", out.Bytes())
	}
}
