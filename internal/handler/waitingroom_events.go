package handler

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"evently/internal/domain"
)

const (
	streamWriteTimeout = 10 * time.Second
	// Streams that end together, at a restart, reconnect spread over this time.
	minRetry, retrySpread = time.Second, 4 * time.Second
	// tokenCheck is how often a stream looks whether its token is still valid.
	tokenCheck = time.Second
)

// Events serves GET /waiting-room/{show_id}/events: one event on connect, one for every change, and comments
// as heartbeats between. It ends when the client disconnects, the instance drains, the show is deleted, or the
// token expires or ends.
func (h *WaitingRoom) Events(w http.ResponseWriter, r *http.Request) error {
	userID, showID, err := userAndID(r, "show_id")
	if err != nil {
		return err
	}
	identity, _ := domain.IdentityFrom(r.Context())
	updates, stop, err := h.streams.Watch(r.Context(), showID, userID)
	if err != nil {
		return err
	}
	defer stop()

	connection := http.NewResponseController(w)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would buffer events
	w.WriteHeader(http.StatusOK)

	if connection.Flush() != nil {
		return nil
	}
	check := time.NewTicker(tokenCheck)
	defer check.Stop()
	for id := 1; ; {
		select {
		case <-r.Context().Done():
			return nil
		case <-check.C:
			if h.tokens.Check(identity) != nil {
				return nil
			}
		case update, open := <-updates:
			if !open {
				return nil
			}
			text := []byte(": heartbeat\n\n")
			if !update.Heartbeat {
				text = h.event(id, update)
				id++
			}
			if !send(connection, w, text) {
				return nil
			}
		}
	}
}

// event returns the event with the given number, of which the first tells when to reconnect. A block of its own for that
// would be an empty message to many clients.
func (h *WaitingRoom) event(id int, update domain.RoomUpdate) []byte {
	data, err := json.Marshal(h.toStatus(update.Status))
	if err != nil {
		return []byte(": " + err.Error() + "\n\n") // a status of plain fields cannot fail to encode
	}
	var b bytes.Buffer
	if id == 1 {
		retry := minRetry + rand.N(retrySpread) //nolint:gosec // not a secret
		b.WriteString("retry: " + strconv.FormatInt(retry.Milliseconds(), 10) + "\n")
	}
	b.WriteString("event: status\nid: " + strconv.Itoa(id) + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// send reports whether the client is still connected.
func send(connection *http.ResponseController, w http.ResponseWriter, text []byte) bool {
	// Instead of the server's timeout, which is for a whole response.
	_ = connection.SetWriteDeadline(time.Now().Add(streamWriteTimeout))
	if _, err := w.Write(text); err != nil {
		return false
	}
	return connection.Flush() == nil
}
