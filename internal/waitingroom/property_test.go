package waitingroom

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
)

// Repeat one schedule with: go test ./internal/waitingroom -run Property -room.seed N
var seedFlag = flag.Uint64("room.seed", 0, "run the property test with this seed alone")

// reference is a model of the scripts in Go. It has one list in the order of arrival.
type reference struct {
	settings domain.RoomSettings
	line     []*place
	active   map[int64]int64 // user → until, ms
	seq      int64
	start    int64 // of the interval that done belongs to
	done     int64
}

type place struct {
	user, seq, seen int64
	away            bool
}

type outcome struct {
	State    domain.RoomState
	Position int64
	Until    int64
}

func newReference(s domain.RoomSettings) *reference {
	return &reference{settings: s, active: map[int64]int64{}}
}

func (m *reference) occupied(now int64) (n int64) {
	for _, until := range m.active {
		if until > now {
			n++
		}
	}
	return n
}

func (m *reference) remove(user int64) {
	m.line = slices.DeleteFunc(m.line, func(p *place) bool { return p.user == user })
}

func (m *reference) touch(user, now int64, o *Options) *place {
	for _, p := range m.line {
		if p.user != user {
			continue
		}
		if now-p.seen > o.Abandon.Milliseconds() {
			m.remove(user)
			return nil
		}
		p.seen, p.away = now, false
		return p
	}
	return nil
}

func (m *reference) outcome(user, now int64, p *place) outcome {
	if until := m.active[user]; until > now {
		return outcome{State: domain.RoomAdmitted, Until: until}
	}
	if p == nil {
		return outcome{State: domain.RoomNone}
	}
	position := int64(1)
	for _, other := range m.line {
		if !other.away && other.seq < p.seq {
			position++
		}
	}
	return outcome{State: domain.RoomWaiting, Position: position}
}

func (m *reference) enter(user, now int64, o *Options) outcome {
	if m.active[user] > now {
		return m.outcome(user, now, nil)
	}
	p := m.touch(user, now, o)
	free := p == nil && len(m.line) == 0 && m.occupied(now) < m.settings.MaxUsers
	switch {
	case m.settings.Mode == domain.RoomPassthrough, m.settings.Mode == domain.RoomAuto && free:
		m.remove(user)
		m.active[user] = now + o.SessionTTL.Milliseconds()
	case p == nil:
		m.seq++
		p = &place{user: user, seq: m.seq, seen: now}
		m.line = append(m.line, p)
	}
	return m.outcome(user, now, p)
}

func (m *reference) tick(now int64, o *Options) (admitted int) {
	m.line = slices.DeleteFunc(m.line, func(p *place) bool { return now-p.seen > o.Abandon.Milliseconds() })
	interval := o.AdmitInterval.Milliseconds()
	if start := now - now%interval; start != m.start {
		m.start, m.done = start, 0
	}
	free := min(m.settings.BatchSize-m.done, m.settings.MaxUsers-m.occupied(now))
	switch m.settings.Mode {
	case domain.RoomPassthrough:
		free = int64(len(m.line))
	case domain.RoomClosed:
		free = 0
	}
	if free <= 0 {
		return 0
	}
	for _, p := range slices.Clone(m.line) {
		switch {
		case p.away:
		case now-p.seen > o.Grace.Milliseconds():
			p.away = true
		case free == 0:
			return admitted // up to the first who is present and must wait
		default:
			m.remove(p.user)
			m.active[p.user] = now + o.SessionTTL.Milliseconds()
			m.done++
			free--
			admitted++
		}
	}
	return admitted
}

// witness sees what users see, and checks what they were promised without knowing how the room works.
type witness struct {
	arrived map[int64]int // order of the users who wait
	alive   map[int64]int64
	tokens  map[int64]string
	serial  int
}

func newWitness() *witness {
	return &witness{arrived: map[int64]int{}, alive: map[int64]int64{}, tokens: map[int64]string{}}
}

func (w *witness) forget(user int64) {
	delete(w.arrived, user)
	delete(w.alive, user)
	delete(w.tokens, user)
}

// sees records what a user was told, and returns what is wrong with it.
func (w *witness) sees(user, now int64, s domain.RoomStatus, o *Options) string {
	last, held := w.alive[user]
	if held && now-last > o.Abandon.Milliseconds() {
		w.forget(user)
		held = false
	}
	switch s.State {
	case domain.RoomNone:
		if held {
			return "lost the place"
		}
	case domain.RoomAdmitted:
		w.forget(user)
	case domain.RoomWaiting:
		if held && w.tokens[user] != s.Token {
			return "has another place than before"
		}
		if !held {
			w.serial++
			w.arrived[user], w.tokens[user] = w.serial, s.Token
		}
		w.alive[user] = now
	}
	return ""
}

// overtaken returns a present user who still waits although a later one was admitted.
func (w *witness) overtaken(now int64, let, wait []int64, o *Options) string {
	for _, late := range let {
		for _, early := range wait {
			order, known := w.arrived[late]
			first, waits := w.arrived[early]
			if known && waits && first < order && now-w.alive[early] <= o.Grace.Milliseconds() {
				return fmt.Sprintf("user %d, who came after user %d, was admitted first", late, early)
			}
		}
	}
	return ""
}

func TestRoom_PropertyRandomSchedules(t *testing.T) {
	t.Parallel()
	seeds := []uint64{*seedFlag}
	if *seedFlag == 0 {
		seeds = seeds[:0]
		for range schedules {
			seeds = append(seeds, rand.Uint64())
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runSchedule(t, seed)
		})
	}
}

func runSchedule(t *testing.T, seed uint64) {
	const users, steps = 25, 300
	random := rand.New(rand.NewPCG(seed, 0))
	f := setup(t, settings(domain.RoomAuto, 1+random.Int64N(6), 1+random.Int64N(4)))
	o := &f.options
	model, watch := newReference(o.Defaults), newWitness()
	now := func() int64 { return f.clock.Now().UnixMilli() }
	insideBefore := int64(0)

	check := func(step int, what string, user int64, got domain.RoomStatus, want outcome) {
		t.Helper()
		told := outcome{State: got.State, Position: got.Position}
		if !got.AdmittedUntil.IsZero() {
			told.Until = got.AdmittedUntil.UnixMilli()
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Fatalf("seed %d, step %d: user %d %s (-want +got):\n%s", seed, step, user, what, diff)
		}
		if fault := watch.sees(user, now(), got, o); fault != "" {
			t.Fatalf("seed %d, step %d: user %d %s: %s", seed, step, user, what, fault)
		}
	}
	tick := func(step int) {
		t.Helper()
		got, want := f.tick(t).Admitted, model.tick(now(), o)
		if got != want {
			t.Fatalf("seed %d, step %d: the tick admitted %d; want %d", seed, step, got, want)
		}
		var let []int64
		for _, user := range slices.Collect(maps.Keys(watch.arrived)) {
			if f.client.ZScore(t.Context(), keys(show)[5], fmt.Sprint(user)).Val() == float64(now()+o.SessionTTL.Milliseconds()) {
				let = append(let, user)
			}
		}
		wait := slices.DeleteFunc(slices.Collect(maps.Keys(watch.arrived)), func(u int64) bool { return slices.Contains(let, u) })
		if fault := watch.overtaken(now(), let, wait, o); fault != "" {
			t.Fatalf("seed %d, step %d: %s", seed, step, fault)
		}
		for _, user := range let {
			watch.forget(user)
		}
	}

	for step := range steps {
		user := 1 + random.Int64N(users)
		switch p := random.IntN(100); {
		case p < 35:
			check(step, "enters", user, f.enter(t, user), model.enter(user, now(), o))
		case p < 55:
			got := f.ask(t, user)
			check(step, "asks", user, got, model.outcome(user, now(), model.touch(user, now(), o)))
		case p < 72:
			tick(step)
		case p < 78: // confirmed or cancelled
			f.end(t, user)
			delete(model.active, user)
		case p < 82:
			if err := f.Leave(t.Context(), show, user); err != nil {
				t.Fatal(err)
			}
			model.remove(user)
			delete(model.active, user)
			watch.forget(user)
		case p < 95:
			f.clock.Advance(time.Duration(random.Int64N(3000)) * time.Millisecond)
		case p < 97: // ticks are lost, users are absent
			f.clock.Advance(o.Grace + time.Duration(random.Int64N(20))*time.Second)
		case p < 98: // admissions expire, places are abandoned
			f.clock.Advance(o.Abandon - time.Duration(random.Int64N(10)-5)*time.Second)
		case p < 99: // the cap or the mode is changed
			modes := []domain.RoomMode{domain.RoomAuto, domain.RoomAuto, domain.RoomQueueAll, domain.RoomClosed, domain.RoomPassthrough}
			mode, maxUsers := modes[random.IntN(len(modes))], 1+random.Int64N(6)
			if _, err := f.Configure(t.Context(), show, domain.RoomChange{
				Mode:     domain.Change[domain.RoomMode]{Set: true, Value: &mode},
				MaxUsers: domain.Change[int64]{Set: true, Value: &maxUsers},
			}); err != nil {
				t.Fatal(err)
			}
			model.settings.Mode, model.settings.MaxUsers = mode, maxUsers
		default: // Redis is flushed: all users queue again
			f.client.FlushDB(t.Context())
			fresh := newReference(model.settings)
			model, watch = fresh, newWitness()
		}

		// Users who were admitted when the cap was lowered stay, and no one is admitted beyond it.
		inside := f.client.ZCount(t.Context(), keys(show)[5], fmt.Sprintf("(%d", now()), "+inf").Val()
		if inside > max(model.settings.MaxUsers, insideBefore) && model.settings.Mode != domain.RoomPassthrough {
			t.Fatalf("seed %d, step %d: %d are admitted; the cap is %d", seed, step, inside, model.settings.MaxUsers)
		}
		insideBefore = inside

		// The keys agree: a last sign of life for every place, a beginning for every admission.
		places := f.client.ZCard(t.Context(), keys(show)[2]).Val() + f.client.ZCard(t.Context(), keys(show)[3]).Val()
		if seen := f.client.ZCard(t.Context(), keys(show)[4]).Val(); seen != places {
			t.Fatalf("seed %d, step %d: %d places, and last signs of life of %d users", seed, step, places, seen)
		}
		ends, starts := f.client.ZCard(t.Context(), keys(show)[5]).Val(), f.client.HLen(t.Context(), keys(show)[6]).Val()
		if ends != starts {
			t.Fatalf("seed %d, step %d: %d ends and %d beginnings of admissions", seed, step, ends, starts)
		}
	}

	// No slot and no place leaks: the room is empty in the end.
	mode := domain.RoomAuto
	if _, err := f.Configure(t.Context(), show, domain.RoomChange{Mode: domain.Change[domain.RoomMode]{Set: true, Value: &mode}}); err != nil {
		t.Fatal(err)
	}
	model.settings.Mode = mode
	for range 2 * users {
		f.clock.Advance(o.AdmitInterval)
		for user := int64(1); user <= users; user++ {
			got := f.ask(t, user)
			check(steps, "asks at the end", user, got, model.outcome(user, now(), model.touch(user, now(), o)))
			if got.State == domain.RoomAdmitted {
				f.end(t, user)
				delete(model.active, user)
			}
		}
		tick(steps)
	}
	view := f.view(t)
	if view.Waiting != 0 || view.Admitted != 0 {
		t.Fatalf("seed %d: %d still wait and %d are still admitted", seed, view.Waiting, view.Admitted)
	}
}
