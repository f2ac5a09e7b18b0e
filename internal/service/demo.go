package service

import (
	"context"
	"fmt"
	"time"

	"evently/internal/domain"
)

// The demo user's public credentials. The user exists only while the demo data is loaded.
const (
	DemoEmail    = "demo@evently.example"
	DemoPassword = "demo-password-123"
)

// DemoVenue is a venue of the demo data.
type DemoVenue struct {
	Key, Name, Address string
	Rows               []string
	SeatsPerRow        int
}

// DemoEvent is an event of the demo data.
type DemoEvent struct {
	Key, Title string
}

// DemoShow is a planned show of the demo data.
type DemoShow struct {
	Key, EventKey, VenueKey string
	Price                   domain.Money
	Day                     int           // first choice, in days from today (UTC)
	TimeOfDay               time.Duration // since midnight UTC
}

// LoadedDemoShow is a show of the demo data in the database.
type LoadedDemoShow struct {
	ShowID                  int64
	Key, EventKey, VenueKey string // an event or venue that is not of the demo data has no key
	Title, VenueName        string
	StartTime               time.Time
	Price                   domain.Money
	TotalSeats              int
	Upcoming                bool // starts after the database's now()
	AllSeats                bool // has every seat of its venue
}

// DemoLoaded is the result of Load. All but Shows are zero if there was nothing to do.
type DemoLoaded struct {
	VenuesAdded, SeatsAdded, EventsAdded, ShowsAdded int
	ShowsRemoved                                     int // outdated, without bookings of real users
	ShowsRetired                                     int // outdated, kept for the bookings of real users
	UserAdded                                        bool
	EmailTaken                                       bool // a real user has DemoEmail, so there is no demo user
	Shows                                            []LoadedDemoShow
}

// DemoCleared is the result of Clear.
type DemoCleared struct {
	Users, Bookings, Shows, Events, Venues int // removed
	Kept                                   []DemoKept
}

// DemoKept is a row of the demo data that real rows refer to.
type DemoKept struct {
	Kind     string // "show", "venue", "event" or "user"
	ID       int64
	Name     string
	Shows    int // that refer to it
	Bookings int // that refer to it
}

// Reason returns why the row was kept.
func (k DemoKept) Reason() string {
	if k.Shows > 0 {
		return fmt.Sprintf("used by %d show(s)", k.Shows)
	}
	return fmt.Sprintf("used by %d booking(s)", k.Bookings)
}

// DemoStore stores the demo data. It changes no other rows.
type DemoStore interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// LockDemo makes other loads and clears, and new shows that use a demo venue or event, wait until
	// this transaction ends.
	LockDemo(ctx context.Context) error
	// HasDemoUser reports whether there is a demo user.
	HasDemoUser(ctx context.Context) (bool, error)
	// SaveDemoUser adds the demo user unless there is one or another user has the address.
	SaveDemoUser(ctx context.Context, email, passwordHash string) (added bool, err error)
	// SaveDemoVenue adds a venue and seats that are missing, and restores name and address.
	SaveDemoVenue(ctx context.Context, venue DemoVenue) (venues, seats int, err error)
	// SaveDemoEvent adds an event if it is missing, and restores its title.
	SaveDemoEvent(ctx context.Context, event DemoEvent) (events int, err error)
	// DemoShows returns the visible shows of the last load, soonest first.
	DemoShows(ctx context.Context) ([]LoadedDemoShow, error)
	// AddDemoShow adds a show on the first day from show.Day on that is behind after and on which its
	// venue is free. It returns domain.ErrVenueBusy if there is none within two months.
	AddDemoShow(ctx context.Context, show DemoShow, after time.Time) (start time.Time, err error)
	// RemoveDemoShows removes the demo user's bookings of demo shows and every demo show without
	// bookings, and retires the others.
	RemoveDemoShows(ctx context.Context) (bookings, removed, retired int, err error)
	// RemoveDemoCatalog removes the venues, events and user of the demo data that nothing refers to.
	RemoveDemoCatalog(ctx context.Context) (venues, events, users int, err error)
	// KeptDemoRows returns the rows of the demo data.
	KeptDemoRows(ctx context.Context) ([]DemoKept, error)
}

// Demo loads and clears data to try Evently with. It changes no real rows, and keeps demo rows that
// real rows refer to.
type Demo struct {
	store DemoStore
	hash  func(ctx context.Context, password string) (string, error)
}

// NewDemo returns a Demo over store. It hashes the demo user's password with hash.
func NewDemo(store DemoStore, hash func(ctx context.Context, password string) (string, error)) *Demo {
	return &Demo{store: store, hash: hash}
}

// Load completes the demo data. Shows that are all to come and in the planned order are left as they
// are, with their bookings; otherwise new ones replace them. Concurrent loads leave one set. Load
// calls progress before each step, unless it is nil.
func (d *Demo) Load(ctx context.Context, progress func(step string)) (DemoLoaded, error) {
	if progress == nil {
		progress = func(string) {}
	}
	// Hashing is slow, so it is done before the transaction.
	hash, err := d.hash(ctx, DemoPassword)
	if err != nil {
		return DemoLoaded{}, fmt.Errorf("hash the demo user's password: %w", err)
	}
	var loaded DemoLoaded
	err = d.store.InTx(ctx, func(ctx context.Context) error {
		loaded = DemoLoaded{} // the transaction may run again
		progress("waiting for other loads")
		if err := d.store.LockDemo(ctx); err != nil {
			return err
		}
		if err := d.loadCatalog(ctx, progress, &loaded); err != nil {
			return err
		}
		progress("user " + DemoEmail)
		if err := d.loadUser(ctx, hash, &loaded); err != nil {
			return err
		}
		return d.loadShows(ctx, progress, &loaded)
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

func (d *Demo) loadCatalog(ctx context.Context, progress func(string), loaded *DemoLoaded) error {
	for _, venue := range demoVenues() {
		progress(fmt.Sprintf("venue %s, %d seats", venue.Name, len(venue.Rows)*venue.SeatsPerRow))
		venues, seats, err := d.store.SaveDemoVenue(ctx, venue)
		if err != nil {
			return err
		}
		loaded.VenuesAdded += venues
		loaded.SeatsAdded += seats
	}
	for _, event := range demoEvents() {
		progress("event " + event.Title)
		events, err := d.store.SaveDemoEvent(ctx, event)
		if err != nil {
			return err
		}
		loaded.EventsAdded += events
	}
	return nil
}

func (d *Demo) loadShows(ctx context.Context, progress func(string), loaded *DemoLoaded) (err error) {
	progress("existing shows")
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
		progress(fmt.Sprintf("show %d of %d", i+1, len(plan)))
		if start, err = d.store.AddDemoShow(ctx, show, start); err != nil {
			return err
		}
		loaded.ShowsAdded++
	}
	loaded.Shows, err = d.store.DemoShows(ctx)
	return err
}

// asPlanned reports whether the shows are those of the plan, in its order and all to come.
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

// Clear removes the demo data except rows that real rows refer to: a show that real users booked, a
// venue or event of a show that stays, a demo user who booked a real show. It returns what it kept.
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
