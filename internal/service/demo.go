package service

import (
	"context"
	"fmt"
	"time"

	"evently/internal/domain"
)

// The demo user, who is as public as this line. There is none unless the demo data is loaded.
const (
	DemoEmail    = "demo@evently.example"
	DemoPassword = "demo-password-123"
)

// DemoVenue is a venue of the demo data. Its key tells its row from every real one.
type DemoVenue struct {
	Key, Name, Address string
	Rows               []string
	SeatsPerRow        int
}

// DemoEvent is an event of the demo data.
type DemoEvent struct {
	Key, Title string
}

// DemoShow is a show of the demo data, as planned.
type DemoShow struct {
	Key, EventKey, VenueKey string
	Price                   domain.Money
	Day                     int           // first choice, in days from today (UTC)
	TimeOfDay               time.Duration // since midnight UTC
}

// LoadedDemoShow is a show of the demo data, as it is.
type LoadedDemoShow struct {
	ShowID                  int64
	Key, EventKey, VenueKey string // the latter two are empty where an admin chose a real event or venue
	Title, VenueName        string
	StartTime               time.Time
	Price                   domain.Money
	TotalSeats              int
	Upcoming                bool // starts after the database's now()
	AllSeats                bool // has every seat of its venue
}

// DemoLoaded tells what loading did; all zero but Shows when there was nothing to do.
type DemoLoaded struct {
	VenuesAdded, SeatsAdded, EventsAdded, ShowsAdded int
	ShowsRemoved                                     int // no longer fit, and nobody but the demo user had booked them
	ShowsRetired                                     int // no longer fit, and kept for those who booked them
	UserAdded                                        bool
	EmailTaken                                       bool // a real user has DemoEmail: there is no demo user
	Shows                                            []LoadedDemoShow
}

// DemoCleared tells what clearing did.
type DemoCleared struct {
	Users, Bookings, Shows, Events, Venues int // removed
	Kept                                   []DemoKept
}

// DemoKept is a row of the demo data that real rows need.
type DemoKept struct {
	Kind     string // "show", "venue", "event" or "user"
	ID       int64
	Name     string
	Shows    int // that use it
	Bookings int // that use it
}

// Reason says in words why the row was kept.
func (k DemoKept) Reason() string {
	if k.Shows > 0 {
		return fmt.Sprintf("used by %d show(s)", k.Shows)
	}
	return fmt.Sprintf("used by %d booking(s)", k.Bookings)
}

// DemoStore is what the demo data needs of the store. It changes rows of the demo data alone.
type DemoStore interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// LockDemo makes other loads and clears wait until this transaction ends, and whoever
	// would use a demo venue or event for a new show as well.
	LockDemo(ctx context.Context) error
	// HasDemoUser reports whether the demo user is there.
	HasDemoUser(ctx context.Context) (bool, error)
	// SaveDemoUser adds the demo user unless they are there. There is none afterwards when a
	// real user has the address.
	SaveDemoUser(ctx context.Context, email, passwordHash string) (added bool, err error)
	// SaveDemoVenue adds what is missing of a venue and its seats, and restores its name.
	SaveDemoVenue(ctx context.Context, venue DemoVenue) (venues, seats int, err error)
	// SaveDemoEvent adds an event if it is missing, and restores its title.
	SaveDemoEvent(ctx context.Context, event DemoEvent) (events int, err error)
	// DemoShows gives the visible shows that were loaded last, soonest first.
	DemoShows(ctx context.Context) ([]LoadedDemoShow, error)
	// AddDemoShow adds a show on the first day from show.Day on that is behind after and on
	// which its venue is free. domain.ErrVenueBusy when there is none for two months.
	AddDemoShow(ctx context.Context, show DemoShow, after time.Time) (start time.Time, err error)
	// RemoveDemoShows removes the demo user's bookings of demo shows and every demo show that
	// nobody else has booked; the others are retired.
	RemoveDemoShows(ctx context.Context) (bookings, removed, retired int, err error)
	// RemoveDemoCatalog removes the venues, events and user of the demo data that nothing uses.
	RemoveDemoCatalog(ctx context.Context) (venues, events, users int, err error)
	// KeptDemoRows gives what is there of the demo data.
	KeptDemoRows(ctx context.Context) ([]DemoKept, error)
}

// Demo loads and clears data to try Evently with. It never changes or removes a real row: a
// demo row that real ones have come to need stays until they are gone.
type Demo struct {
	store DemoStore
	hash  func(ctx context.Context, password string) (string, error)
}

// NewDemo gives a Demo over store, which hashes the demo user's password with hash.
func NewDemo(store DemoStore, hash func(ctx context.Context, password string) (string, error)) *Demo {
	return &Demo{store: store, hash: hash}
}

// Load makes the demo data complete. When all its shows are still to come, in their order,
// they stay as they are, bookings included; otherwise new ones in the coming days replace
// them. Any number of loads may run at once: they leave one set. Each step is told before it begins,
// unless tell is nil.
func (d *Demo) Load(ctx context.Context, tell func(step string)) (DemoLoaded, error) {
	if tell == nil {
		tell = func(string) {}
	}
	// Hashing takes its time, so it is done before the transaction, needed or not.
	hash, err := d.hash(ctx, DemoPassword)
	if err != nil {
		return DemoLoaded{}, fmt.Errorf("hash the demo user's password: %w", err)
	}
	var loaded DemoLoaded
	err = d.store.InTx(ctx, func(ctx context.Context) error {
		loaded = DemoLoaded{} // the transaction may run again
		tell("waiting for other loads to end")
		if err := d.store.LockDemo(ctx); err != nil {
			return err
		}
		if err := d.loadCatalog(ctx, tell, &loaded); err != nil {
			return err
		}
		tell("user " + DemoEmail)
		if err := d.loadUser(ctx, hash, &loaded); err != nil {
			return err
		}
		return d.loadShows(ctx, tell, &loaded)
	})
	if err != nil {
		return DemoLoaded{}, err
	}
	return loaded, nil
}

func (d *Demo) loadUser(ctx context.Context, hash string, loaded *DemoLoaded) (err error) {
	if loaded.UserAdded, err = d.store.SaveDemoUser(ctx, DemoEmail, hash); err != nil {
		return err
	}
	exists, err := d.store.HasDemoUser(ctx)
	loaded.EmailTaken = !exists
	return err
}

func (d *Demo) loadCatalog(ctx context.Context, tell func(string), loaded *DemoLoaded) error {
	for _, venue := range demoVenues() {
		tell(fmt.Sprintf("venue %s, %d seats", venue.Name, len(venue.Rows)*venue.SeatsPerRow))
		venues, seats, err := d.store.SaveDemoVenue(ctx, venue)
		if err != nil {
			return err
		}
		loaded.VenuesAdded += venues
		loaded.SeatsAdded += seats
	}
	for _, event := range demoEvents() {
		tell("event " + event.Title)
		events, err := d.store.SaveDemoEvent(ctx, event)
		if err != nil {
			return err
		}
		loaded.EventsAdded += events
	}
	return nil
}

func (d *Demo) loadShows(ctx context.Context, tell func(string), loaded *DemoLoaded) (err error) {
	tell("shows that are there already")
	if loaded.Shows, err = d.store.DemoShows(ctx); err != nil {
		return err
	}
	plan := demoShows()
	if asPlanned(loaded.Shows, plan) {
		return nil
	}
	if _, loaded.ShowsRemoved, loaded.ShowsRetired, err = d.store.RemoveDemoShows(ctx); err != nil {
		return err
	}
	var start time.Time
	for i, show := range plan {
		tell(fmt.Sprintf("show %d of %d", i+1, len(plan)))
		if start, err = d.store.AddDemoShow(ctx, show, start); err != nil {
			return err
		}
		loaded.ShowsAdded++
	}
	loaded.Shows, err = d.store.DemoShows(ctx)
	return err
}

// asPlanned reports whether the shows are those of the plan, in its order and still to come.
func asPlanned(shows []LoadedDemoShow, plan []DemoShow) bool {
	if len(shows) != len(plan) {
		return false
	}
	for i, show := range shows {
		want := plan[i]
		if show.Key != want.Key || show.EventKey != want.EventKey || show.VenueKey != want.VenueKey ||
			show.Price != want.Price || !show.Upcoming || !show.AllSeats {
			return false
		}
	}
	return true
}

// Clear removes the demo data, save for what real rows need: a show that others than the demo
// user booked, a venue or event of such a show or of a real one, a demo user who booked a real
// show. It says what it kept and why.
func (d *Demo) Clear(ctx context.Context) (DemoCleared, error) {
	var cleared DemoCleared
	err := d.store.InTx(ctx, func(ctx context.Context) (err error) {
		cleared = DemoCleared{} // the transaction may run again
		if err = d.store.LockDemo(ctx); err != nil {
			return err
		}
		if cleared.Bookings, cleared.Shows, _, err = d.store.RemoveDemoShows(ctx); err != nil {
			return err
		}
		if cleared.Venues, cleared.Events, cleared.Users, err = d.store.RemoveDemoCatalog(ctx); err != nil {
			return err
		}
		cleared.Kept, err = d.store.KeptDemoRows(ctx)
		return err
	})
	if err != nil {
		return DemoCleared{}, err
	}
	return cleared, nil
}
