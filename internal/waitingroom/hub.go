package waitingroom

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

// HubOptions configure a Hub. The zero value of each field is its default.
type HubOptions struct {
	// MaxStreams bounds the streams of the instance. The default is 20,000.
	MaxStreams int
	// MaxStreamsPerUser bounds the streams of one user on one show. The default is 5.
	MaxStreamsPerUser int
	// Heartbeat is the time between two heartbeats of a stream, in whole seconds. The default is 15 s.
	Heartbeat time.Duration
}

// Hub sends the statuses of users to their streams. An instance has one: one subscription and one loop
// serve all streams, and each stream is a channel that holds the latest update alone.
type Hub struct {
	room    *Room
	options HubOptions
	log     *slog.Logger

	wake chan struct{} // something is stale

	mu       sync.Mutex
	shows    map[int64]*watchers
	streams  int
	beat     int // the slot whose streams get a heartbeat next
	draining bool
}

// watchers are the streams of one show.
type watchers struct {
	users map[int64][]*stream
	all   bool // all statuses are stale
	stale map[int64]struct{}
}

// stream is one open stream of one user.
type stream struct {
	updates chan domain.RoomUpdate // capacity 1: a newer status replaces one that was not read
	last    domain.RoomStatus
	sent    bool // last is valid
	slot    int  // when it gets its heartbeat
}

const (
	// statusBatch is how many users one script returns the status of.
	statusBatch = 200
	// sweepsPerGrace is how often within the grace period the statuses of all streams are read, which is
	// their users' sign of life: one lost round trip makes nobody absent.
	sweepsPerGrace = 3
)

// NewHub returns a Hub of room. Run must be called.
func NewHub(room *Room, options HubOptions, log *slog.Logger) *Hub {
	if options.MaxStreams <= 0 {
		options.MaxStreams = 20_000
	}
	if options.MaxStreamsPerUser <= 0 {
		options.MaxStreamsPerUser = 5
	}
	if options.Heartbeat < time.Second {
		options.Heartbeat = 15 * time.Second
	}
	return &Hub{
		room: room, options: options, log: log,
		wake:  make(chan struct{}, 1),
		shows: map[int64]*watchers{},
	}
}

// Watch opens a stream: the status of the user now, then every change, and heartbeats between. The channel
// is closed when the instance drains or the show is deleted. stop must be called when the stream ends. It
// fails with domain.ErrShowNotFound, ErrTooManyStreams, ErrOverloaded or ErrWaitingRoomUnavailable.
func (h *Hub) Watch(ctx context.Context, showID, userID int64) (updates <-chan domain.RoomUpdate, stop func(), err error) {
	if _, err := h.room.Status(ctx, showID, userID); err != nil {
		return nil, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining || h.streams >= h.options.MaxStreams {
		return nil, nil, domain.ErrOverloaded
	}
	w := h.shows[showID]
	if w == nil {
		w = &watchers{users: map[int64][]*stream{}, stale: map[int64]struct{}{}}
		h.shows[showID] = w
	}
	if len(w.users[userID]) >= h.options.MaxStreamsPerUser {
		return nil, nil, domain.ErrTooManyStreams
	}
	s := &stream{updates: make(chan domain.RoomUpdate, 1), slot: h.streams % h.slots()}
	w.users[userID] = append(w.users[userID], s)
	h.streams++
	// The loop sends the first status, too, so that updates are in order.
	w.stale[userID] = struct{}{}
	h.poke()
	return s.updates, func() { h.remove(showID, userID, s) }, nil
}

// Drain ends all streams and refuses new ones. Their clients reconnect to another instance and keep their
// places.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for showID := range h.shows {
		h.end(showID)
	}
}

// end closes the streams of a show. The caller holds the mutex.
func (h *Hub) end(showID int64) {
	for _, streams := range h.shows[showID].users {
		for _, s := range streams {
			close(s.updates)
			h.streams--
		}
	}
	delete(h.shows, showID)
}

// Run serves the streams until ctx ends, and then drains. In an outage of Redis streams stay open, and get
// what has changed when it is over.
func (h *Hub) Run(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() { h.listen(ctx) })
	defer listening.Wait()
	defer h.Drain()

	second := time.NewTicker(time.Second)
	defer second.Stop()
	sweep := time.NewTicker(max(h.room.options.Grace/sweepsPerGrace, 10*time.Millisecond))
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			h.markAll()
		case now := <-second.C:
			h.everySecond(now)
		case <-h.wake:
			h.refresh(ctx)
		}
	}
}

// listen marks the statuses that messages of the channel are about as stale. It does nothing else, so that
// no message has to wait.
func (h *Hub) listen(ctx context.Context) {
	subscription := h.room.client.Subscribe(ctx, channel)
	defer func() { _ = subscription.Close() }()
	messages := subscription.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return
		case message, ok := <-messages:
			if !ok {
				return
			}
			switch m := message.(type) {
			case *redis.Subscription:
				h.markAll() // reconnected: messages may have been missed
			case *redis.Message:
				h.handle(m.Payload)
			}
		}
	}
}

func (h *Hub) handle(payload string) {
	show, user, one := strings.Cut(payload, ":")
	showID, err := strconv.ParseInt(show, 10, 64)
	if err != nil {
		return
	}
	if !one {
		h.markShow(showID)
		return
	}
	if userID, err := strconv.ParseInt(user, 10, 64); err == nil {
		h.markUser(showID, userID)
	}
}

func (h *Hub) markAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.shows {
		w.all = true
	}
	h.poke()
}

func (h *Hub) markShow(showID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.shows[showID]; w != nil {
		w.all = true
		h.poke()
	}
}

func (h *Hub) markUser(showID, userID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.shows[showID]; w != nil && w.users[userID] != nil {
		w.stale[userID] = struct{}{}
		h.poke()
	}
}

// poke wakes the loop.
func (h *Hub) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// slots is the number of groups of streams. Each second one of them gets its heartbeat.
func (h *Hub) slots() int { return int(h.options.Heartbeat / time.Second) }

// everySecond sends heartbeats to one group, marks the statuses of users whose admission has expired, which
// nothing publishes while nobody waits, and wakes the loop for what has failed.
func (h *Hub) everySecond(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = (h.beat + 1) % h.slots()
	for _, w := range h.shows {
		if w.all {
			h.poke()
		}
		for userID, streams := range w.users {
			for _, s := range streams {
				if s.slot == h.beat {
					select {
					case s.updates <- domain.RoomUpdate{Heartbeat: true}:
					default: // a status is waiting to be read
					}
				}
				if s.last.State == domain.RoomAdmitted && now.After(s.last.AdmittedUntil) {
					w.stale[userID] = struct{}{}
					h.poke()
				}
			}
		}
	}
}

// refresh reads the statuses of all stale streams and sends those that have changed.
func (h *Hub) refresh(ctx context.Context) {
	for showID, users := range h.takeStale() {
		for start := 0; start < len(users); start += statusBatch {
			batch := users[start:min(start+statusBatch, len(users))]
			statuses, err := h.room.statuses(ctx, showID, batch)
			if errors.Is(err, domain.ErrShowNotFound) {
				h.endDeleted(showID)
				break
			}
			if err != nil {
				h.log.DebugContext(ctx, "read statuses for streams", "show_id", showID, "error", err)
				h.putBack(showID)
				break
			}
			h.send(showID, batch, statuses)
		}
	}
}

// endDeleted ends the streams of a show that was deleted.
func (h *Hub) endDeleted(showID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shows[showID] != nil {
		h.end(showID)
	}
}

// takeStale returns the users with stale statuses, by show, and marks them as fresh.
func (h *Hub) takeStale() map[int64][]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := map[int64][]int64{}
	for showID, w := range h.shows {
		switch {
		case w.all:
			for userID := range w.users {
				taken[showID] = append(taken[showID], userID)
			}
		case len(w.stale) > 0:
			for userID := range w.stale {
				taken[showID] = append(taken[showID], userID)
			}
		}
		w.all = false
		clear(w.stale)
	}
	return taken
}

// putBack marks a show as stale again. The loop tries again in a second.
func (h *Hub) putBack(showID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.shows[showID]; w != nil {
		w.all = true
	}
}

// send sends the statuses that differ from the last ones of their streams. A stream gets no event when only
// the estimate counts down.
func (h *Hub) send(showID int64, users []int64, statuses []domain.RoomStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.shows[showID]
	if w == nil {
		return
	}
	for i, userID := range users {
		for _, s := range w.users[userID] {
			if s.sent && s.last.SameAs(statuses[i]) {
				continue
			}
			s.last, s.sent = statuses[i], true
			update := domain.RoomUpdate{Status: statuses[i]}
			select {
			case s.updates <- update:
			default:
				// The reader is slow: replace the update that it has not read. Only holders of the mutex
				// send, so there is room after one was taken out, by the reader or here.
				select {
				case <-s.updates:
				default:
				}
				s.updates <- update
			}
		}
	}
}

func (h *Hub) remove(showID, userID int64, gone *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.shows[showID]
	if w == nil {
		return
	}
	for i, s := range w.users[userID] {
		if s != gone {
			continue
		}
		h.streams--
		w.users[userID] = append(w.users[userID][:i], w.users[userID][i+1:]...)
		if len(w.users[userID]) == 0 {
			delete(w.users, userID)
			delete(w.stale, userID)
		}
		if len(w.users) == 0 {
			delete(h.shows, showID)
		}
		return
	}
}
