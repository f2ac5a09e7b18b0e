package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"evently/internal/domain"
)

// The demo user's public credentials, of which production has the email alone. The user exists only while the demo data
// is loaded.
const (
	DemoEmail    = "demo@evently.example"
	DemoPassword = "demo-password-123"
)

// DemoLoaded is what Load has added and removed, and the shows that there are now.
type DemoLoaded struct {
	VenuesAdded, SeatsAdded, EventsAdded, ShowsAdded int
	ShowsRemoved                                     int // outdated, without bookings of real users
	ShowsRetired                                     int // outdated, kept for the bookings of real users
	UserAdded                                        bool
	Password                                         string // of the user who was added
	EmailTaken                                       bool   // a real user has DemoEmail, so there is no demo user
	Shows                                            []DemoShow
}

// DemoShow is a show of the demo data.
type DemoShow struct {
	ShowID           int64
	Title, VenueName string
	StartTime        time.Time
	Price            domain.Money
	TotalSeats       int
}

// DemoCleared is what Clear has removed and what it kept.
type DemoCleared struct {
	Users, Bookings, Shows, Events, Venues int
	Kept                                   []string // one line for each row, and why
}

// DemoStore stores the demo data and changes no other rows. Calls wait for each other.
type DemoStore interface {
	LoadDemo(ctx context.Context, email, passwordHash string) (DemoLoaded, error)
	ClearDemo(ctx context.Context) (DemoCleared, error)
}

// Demo loads and clears data to try Evently with.
type Demo struct {
	store DemoStore
	hash  func(ctx context.Context, password string) (string, error)

	randomPassword bool
}

// NewDemo returns a Demo over store. It hashes the demo user's password, which is DemoPassword or a random one, with hash.
func NewDemo(store DemoStore, hash func(ctx context.Context, password string) (string, error), randomPassword bool) *Demo {
	return &Demo{store: store, hash: hash, randomPassword: randomPassword}
}

// Load completes the demo data. Unless all shows are to come and as planned, new ones replace them.
func (d *Demo) Load(ctx context.Context) (DemoLoaded, error) {
	password := DemoPassword
	if d.randomPassword {
		password = rand.Text()
	}
	hash, err := d.hash(ctx, password)
	if err != nil {
		return DemoLoaded{}, fmt.Errorf("hash the demo user's password: %w", err)
	}
	loaded, err := d.store.LoadDemo(ctx, DemoEmail, hash)
	if loaded.UserAdded {
		loaded.Password = password
	}
	return loaded, err
}

// Clear removes the demo data except rows that real rows refer to: a show that real users booked, a
// venue or event of a show that stays, a demo user who booked a real show.
func (d *Demo) Clear(ctx context.Context) (DemoCleared, error) { return d.store.ClearDemo(ctx) }
