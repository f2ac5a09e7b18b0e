package app

import (
	"strconv"
	"time"

	"evently/internal/middleware"
)

// appendAccessLine appends what slog.JSONHandler writes of the line's record: the access log is a line for
// each request, and more than half of what it costs is the way through slog. Method, route and
// request id must be plain.
func appendAccessLine(b []byte, line *middleware.AccessLine) []byte {
	b = append(b, `{"time":"`...)
	b = line.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(append(b, `","level":"`...), line.Level.String()...)
	b = append(append(b, `","msg":"`...), middleware.AccessMessage...)
	b = append(append(b, `","method":"`...), line.Method...)
	b = append(append(b, `","route":"`...), line.Route...)
	b = strconv.AppendInt(append(b, `","status":`...), int64(line.Status), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), int64(line.Bytes), 10)
	b = strconv.AppendInt(append(b, `,"duration":`...), int64(line.Took), 10)
	if line.ClientIP.IsValid() {
		b = line.ClientIP.AppendTo(append(b, `,"client_ip":"`...))
		b = append(b, '"')
	}
	if line.UserID != 0 {
		b = strconv.AppendInt(append(b, `,"user_id":`...), line.UserID, 10)
	}
	if line.RequestID != "" {
		b = append(append(b, `,"request_id":"`...), line.RequestID...)
		b = append(b, '"')
	}
	return append(b, "}\n"...)
}
