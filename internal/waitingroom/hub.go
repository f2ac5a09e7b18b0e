package waitingroom

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

// HubOptions are the bounds of a Hub.
type HubOptions struct {
	// MaxStreams is how many streams the instance holds. 0 means 20,000.
	MaxStreams int
	// MaxStreamsPerUser is how many streams one user holds on one show. 0 means 5.
	MaxStreamsPerUser int
	// Heartbeat is the time between two heartbeats of a stream, in whole seconds. 0 means 15 s.
	Heartbeat time.Duration
}

// Hub tells streams how their users' statuses change. An instance has one: one subscription and
// one loop serve all its streams, and each stream costs a channel that holds no more than the
// latest update.
type Hub struct {
	room    *Room
	client  redis.UniversalClient
	options HubOptions
	log     *slog.Logger

	wake chan struct{} // something is stale

	mu       sync.Mutex
	shows    map[int64]*watchers
	streams  int
	beat     int // position in the circle of heartbeats
	draining bool
}

// watchers are the streams of one show.
type watchers struct {
	users map[int64][]*stream
	all   bool // every status is stale
	stale map[int64]struct{}
}

// stream is one open stream of one user.
type stream struct {
	updates chan domain.RoomUpdate // room for one: a newer status replaces one that was not read
	last    domain.RoomStatus
	sent    bool // whether last was ever sent
	slot    int  // its place in the circle of heartbeats
}

const (
	// statusBatch is how many users one round trip asks about.
	statusBatch = 200
	// sweepsPerGrace is how often within the grace period all streams give a sign of life, so that
	// one lost round trip makes nobody absent.
	sweepsPerGrace = 3
)

// NewHub gives a Hub over client, which the caller keeps and closes. Run must be called.
func NewHub(room *Room, client redis.UniversalClient, options HubOptions, log *slog.Logger) *Hub {
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
		room: room, client: client, options: options, log: log,
		wake:  make(chan struct{}, 1),
		shows: map[int64]*watchers{},
	}
}

// Watch opens a stream: the status of the user now, then every change and the heartbeats between.
// The channel is closed when the instance drains. stop must be called when the stream ends. It
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
	// The loop sends the first status too: updates come from one place and so in order.
	w.stale[userID] = struct{}{}
	h.poke()
	return s.updates, func() { h.remove(showID, userID, s) }, nil
}

// Drain ends all streams and refuses new ones; their clients reconnect to another instance, where
// their place is kept.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for _, w := range h.shows {
		for _, streams := range w.users {
			for _, s := range streams {
				close(s.updates)
			}
		}
	}
	h.shows, h.streams = map[int64]*watchers{}, 0
}

// Run serves the streams until ctx ends, and then drains. It works through an outage of Redis:
// streams stay open, and hear what changed when it is back.
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

// listen marks what the channel tells as stale. Reading is all that it does, so that no message
// has to wait.
func (h *Hub) listen(ctx context.Context) {
	subscription := h.client.Subscribe(ctx, channel)
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
				h.markAll() // connected anew: nobody knows what was missed
			case *redis.Message:
				h.hear(m.Payload)
			}
		}
	}
}

func (h *Hub) hear(payload string) {
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

// poke wakes the loop; once is enough.
func (h *Hub) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// slots is the number of groups of streams; each second one of them gets its heartbeat.
func (h *Hub) slots() int { return int(h.options.Heartbeat / time.Second) }

// everySecond sends heartbeats to one group, looks for admissions that ran out, of which nothing
// else tells when nobody waits, and has the loop try again what failed.
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
					default: // something better waits to be read
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

// refresh asks where the users of all stale streams stand and tells those for whom it changed.
func (h *Hub) refresh(ctx context.Context) {
	for showID, users := range h.takeStale() {
		for start := 0; start < len(users); start += statusBatch {
			batch := users[start:min(start+statusBatch, len(users))]
			statuses, err := h.room.statuses(ctx, showID, batch)
			if err != nil {
				// The room has logged it. The next second asks again.
				h.log.DebugContext(ctx, "statuses for streams", "show_id", showID, "error", err)
				h.putBack(showID)
				break
			}
			h.tell(showID, batch, statuses)
		}
	}
}

// takeStale gives the users to ask about, by show, and counts them as fresh.
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

// putBack counts all of a show as stale again. It does not wake the loop, which would not rest then.
func (h *Hub) putBack(showID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.shows[showID]; w != nil {
		w.all = true
	}
}

func (h *Hub) tell(showID int64, users []int64, statuses []domain.RoomStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.shows[showID]
	if w == nil {
		return
	}
	for i, userID := range users {
		for _, s := range w.users[userID] {
			if s.sent && s.last == statuses[i] {
				continue
			}
			s.last, s.sent = statuses[i], true
			update := domain.RoomUpdate{Status: statuses[i]}
			select {
			case s.updates <- update:
			default:
				// The reader is slow: the new status takes the place of the one that it did not read. Only
				// holders of the mutex send, so there is room after one was taken out, by them or here.
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
