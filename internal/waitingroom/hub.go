package waitingroom

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

// HubOptions configure a Hub. The zero value of each field is its default.
type HubOptions struct {
	MaxStreams        int           // of the instance; default 20,000
	MaxStreamsPerUser int           // of one user on one show; default 5
	Heartbeat         time.Duration // of a stream, in whole seconds; default 15 s
}

// Hub sends the statuses of users to the streams of an instance, by one subscription and one loop.
type Hub struct {
	room    *Room
	options HubOptions
	log     *slog.Logger

	wake chan struct{} // wakes the loop

	mu       sync.Mutex
	shows    map[int64]*watchers
	streams  int
	beat     int // the slot whose streams get a heartbeat next
	draining bool
}

type watchers struct {
	users map[int64][]*stream
	stale map[int64]struct{} // users whose statuses are to be read
}

func (w *watchers) markAll() {
	for userID := range w.users {
		w.stale[userID] = struct{}{}
	}
}

type stream struct {
	updates chan domain.RoomUpdate // capacity 1: a newer status replaces one that was not read
	last    domain.RoomStatus
	sent    bool // last is valid
	slot    int  // when it gets its heartbeat
}

const (
	statusBatch = 200 // users of one script
	// sweepsPerGrace is how often in a grace period all statuses are read: a lost sweep makes nobody absent.
	sweepsPerGrace = 3
)

// NewHub returns a Hub of room. Run must be called.
func NewHub(room *Room, options HubOptions, log *slog.Logger) *Hub {
	options.MaxStreams = cmp.Or(options.MaxStreams, 20_000)
	options.MaxStreamsPerUser = cmp.Or(options.MaxStreamsPerUser, 5)
	options.Heartbeat = cmp.Or(options.Heartbeat, 15*time.Second)
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

// Drain ends all streams and refuses new ones. Clients reconnect to another instance and keep their places.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for showID, w := range h.shows {
		h.end(showID, w)
	}
}

// end closes the streams of a show. The caller holds the mutex.
func (h *Hub) end(showID int64, w *watchers) {
	for _, streams := range w.users {
		for _, s := range streams {
			close(s.updates)
			h.streams--
		}
	}
	delete(h.shows, showID)
}

// Run serves the streams until ctx ends, and then drains. Streams stay open during an outage of Redis.
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

// listen only marks what messages are about as stale, so that no message waits.
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

// handle takes a message "SHOW" or "SHOW:USER".
func (h *Hub) handle(payload string) {
	show, user, one := strings.Cut(payload, ":")
	showID, _ := strconv.ParseInt(show, 10, 64)
	userID, _ := strconv.ParseInt(user, 10, 64)
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.shows[showID]
	switch {
	case w == nil:
		return
	case !one:
		w.markAll()
	case w.users[userID] != nil:
		w.stale[userID] = struct{}{}
	}
	h.poke()
}

func (h *Hub) markAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.shows {
		w.markAll()
	}
	h.poke()
}

func (h *Hub) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// slots is the number of groups of streams, one of which gets its heartbeat each second.
func (h *Hub) slots() int { return int(h.options.Heartbeat / time.Second) }

// everySecond sends heartbeats to one group, marks users whose admission has expired, which nothing
// publishes while nobody waits, and wakes the loop, which retries what has failed.
func (h *Hub) everySecond(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = (h.beat + 1) % h.slots()
	for _, w := range h.shows {
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
				}
			}
		}
	}
	h.poke()
}

func (h *Hub) refresh(ctx context.Context) {
	for showID, users := range h.takeStale() {
		for batch := range slices.Chunk(users, statusBatch) {
			statuses, err := h.room.statuses(ctx, showID, batch)
			if err != nil {
				h.failed(ctx, showID, err)
				break
			}
			h.send(showID, batch, statuses)
		}
	}
}

// failed ends the streams of a deleted show. After another error all streams of the show are stale again.
func (h *Hub) failed(ctx context.Context, showID int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.shows[showID]
	switch {
	case w == nil:
	case errors.Is(err, domain.ErrShowNotFound):
		h.end(showID, w)
	default:
		h.log.DebugContext(ctx, "read statuses for streams", "show_id", showID, "error", err)
		w.markAll() // without a poke: everySecond retries
	}
}

// takeStale returns the stale users by show, and marks them as fresh.
func (h *Hub) takeStale() map[int64][]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := map[int64][]int64{}
	for showID, w := range h.shows {
		if len(w.stale) > 0 {
			taken[showID] = slices.Collect(maps.Keys(w.stale))
			clear(w.stale)
		}
	}
	return taken
}

// send sends the statuses that differ from the last ones of their streams, by more than the estimate.
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
			// Only holders of the mutex send, so there is room once an unread update is taken out.
			select {
			case <-s.updates:
			default:
			}
			s.updates <- domain.RoomUpdate{Status: statuses[i]}
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
	i := slices.Index(w.users[userID], gone)
	if i < 0 {
		return
	}
	h.streams--
	w.users[userID] = slices.Delete(w.users[userID], i, i+1)
	if len(w.users[userID]) == 0 {
		delete(w.users, userID)
		delete(w.stale, userID)
	}
	if len(w.users) == 0 {
		delete(h.shows, showID)
	}
}
