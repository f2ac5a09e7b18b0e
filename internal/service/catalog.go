package service

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"evently/internal/domain"
)

// VenueStore stores venues.
type VenueStore interface {
	CreateVenue(ctx context.Context, name, address string) (domain.Venue, error)
	// ListVenues returns up to limit venues with an id above afterID, by id, and whether there are more.
	ListVenues(ctx context.Context, afterID int64, limit int) (venues []domain.Venue, more bool, err error)
	// UpdateVenue returns the changed venue, or ErrVenueNotFound.
	UpdateVenue(ctx context.Context, id int64, change domain.VenueChange) (domain.Venue, error)
	// DeleteVenue deletes a venue with its seats. It returns ErrVenueNotFound, or ErrVenueHasShows if a show or the
	// history of a booking needs it.
	DeleteVenue(ctx context.Context, id int64) error
}

// EventStore stores events.
type EventStore interface {
	CreateEvent(ctx context.Context, title string) (domain.Event, error)
	// ListEvents returns up to limit events with an id above afterID, by id, and whether there are more.
	ListEvents(ctx context.Context, afterID int64, limit int) (events []domain.Event, more bool, err error)
	// Event returns an event, or ErrEventNotFound.
	Event(ctx context.Context, id int64) (domain.Event, error)
	// UpdateEvent returns the changed event, or ErrEventNotFound.
	UpdateEvent(ctx context.Context, id int64, title string) (domain.Event, error)
	// DeleteEvent returns ErrEventNotFound, or ErrEventHasShows if a show needs the event, hidden ones included.
	DeleteEvent(ctx context.Context, id int64) error
}

// CatalogStore is the database of Catalog.
type CatalogStore interface {
	VenueStore
	EventStore
	InLongTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Now returns the time at which the transaction began, by the database's clock.
	Now(ctx context.Context) (time.Time, error)
	// LockVenues locks these venues, and with them the set of their seats and shows, until the transaction ends.
	// It returns ErrVenueNotFound if one is missing.
	LockVenues(ctx context.Context, ids ...int64) error
	Venue(ctx context.Context, id int64) (domain.Venue, error)
	// VenueSeats returns the seats by row, A to Z before AA, and number.
	VenueSeats(ctx context.Context, venueID int64) ([]domain.Seat, error)
	InsertSeats(ctx context.Context, venueID int64, seats []domain.SeatSpec) (added int, err error)
	// LockSeats returns the seats of the venue that have one of the ids or guids, and locks them until the transaction ends.
	LockSeats(ctx context.Context, venueID int64, ids []int64, guids []string) ([]domain.Seat, error)
	// UpdateSeats writes all of the seats but their places, or returns ErrSeatConflict.
	UpdateSeats(ctx context.Context, seats []domain.Seat) error
	DeleteSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (deleted, inUse []domain.Seat, err error)
	InsertShow(ctx context.Context, show domain.Show) (domain.Show, error)
	ShowVenue(ctx context.Context, id int64) (venueID int64, err error)
	// LockShow returns a show and locks it against bookings and changes until the transaction ends.
	LockShow(ctx context.Context, id int64) (domain.Show, error)
	UpdateShow(ctx context.Context, show domain.Show) error
	// FitShowSeats makes the seats of a show those of its venue.
	FitShowSeats(ctx context.Context, id int64) error
	LoadExpiredHolds(ctx context.Context, showID int64) ([]domain.ExpiredHold, error)
	// Save queues the writes of transitions; they fail the transaction, if they fail, at its commit.
	Save(ctx context.Context, transitions ...domain.Transition)
	ShowHasLiveBookings(ctx context.Context, id int64) (bool, error)
	// DeleteShow deletes a show with its seats and the bookings that were never paid.
	DeleteShow(ctx context.Context, id int64) error
}

// SeatMaps caches the seat maps of shows. It is told after each commit that changes one.
type SeatMaps interface {
	Forget(showID int64)
	Reset()
}

// Rooms are the waiting rooms of shows.
type Rooms interface {
	// Close ends the waiting room of a show that was deleted.
	Close(ctx context.Context, showID int64) error
}

// Catalog is the use cases of admins: venues, seats, events and shows.
//
// Two locks keep each show with exactly the seats of its venue: the row of the venue, taken by changes of its seats
// and shows, and the row of the show, shared by bookings. The order is venues, show, bookings, seats.
type Catalog struct {
	VenueStore
	EventStore

	store CatalogStore
	maps  SeatMaps
	rooms Rooms
	log   *slog.Logger
}

// NewCatalog returns a Catalog over store that keeps maps up to date.
func NewCatalog(store CatalogStore, maps SeatMaps, rooms Rooms, log *slog.Logger) *Catalog {
	return &Catalog{VenueStore: store, EventStore: store, store: store, maps: maps, rooms: rooms, log: log}
}

// Venue returns a venue and its seats by row and number, or ErrVenueNotFound.
func (c *Catalog) Venue(ctx context.Context, id int64) (domain.Venue, []domain.Seat, error) {
	venue, err := c.store.Venue(ctx, id)
	if err != nil {
		return domain.Venue{}, nil, err
	}
	seats, err := c.store.VenueSeats(ctx, id)
	return venue, seats, err
}

// AddSeats adds the seats that the venue lacks, to the venue and to its shows that have not started, and returns
// their number. It returns ErrVenueNotFound, ErrVenueFull or, if one has the label or guid of another, ErrSeatConflict.
func (c *Catalog) AddSeats(ctx context.Context, venueID int64, seats []domain.SeatSpec) (added int, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		if err := c.store.LockVenues(ctx, venueID); err != nil {
			return err
		}
		added, err = c.store.InsertSeats(ctx, venueID, seats)
		return err
	})
	c.maps.Reset() // also after an error: the outcome of a commit may be unknown
	return added, err
}

// UpdateSeats changes seats and returns how many are different now. It returns ErrVenueNotFound, ErrSeatsNotFound if
// the venue lacks one of them, or ErrSeatConflict, and then changes none.
func (c *Catalog) UpdateSeats(ctx context.Context, venueID int64, edits []domain.SeatEdit) (changed int, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		if err := c.store.LockVenues(ctx, venueID); err != nil {
			return err
		}
		seats, err := c.editSeats(ctx, venueID, edits)
		changed = len(seats)
		if err != nil || changed == 0 {
			return err
		}
		return c.store.UpdateSeats(ctx, seats)
	})
	c.maps.Reset() // also after an error: the outcome of a commit may be unknown
	return changed, err
}

// editSeats returns the seats that the edits make different.
func (c *Catalog) editSeats(ctx context.Context, venueID int64, edits []domain.SeatEdit) ([]domain.Seat, error) {
	var ids []int64
	var guids []string
	for _, edit := range edits {
		if edit.ID != 0 {
			ids = append(ids, edit.ID)
		} else {
			guids = append(guids, edit.GUID)
		}
	}
	before, err := c.store.LockSeats(ctx, venueID, ids, guids)
	if err != nil {
		return nil, err
	}
	after := slices.Clone(before)
	byID, byGUID := map[int64]*domain.Seat{}, map[string]*domain.Seat{}
	for i := range after {
		byID[after[i].ID], byGUID[before[i].GUID] = &after[i], &after[i]
	}
	for _, edit := range edits {
		seat := byID[edit.ID]
		if edit.ID == 0 {
			seat = byGUID[edit.GUID]
		}
		if seat == nil {
			return nil, domain.ErrSeatsNotFound
		}
		edit.Apply(&seat.SeatSpec)
	}
	var changed []domain.Seat
	for i := range after {
		if !after[i].Equal(before[i]) {
			changed = append(changed, after[i])
		}
	}
	return changed, nil
}

// DeleteSeats deletes those of the seats that the venue has and returns them. It returns ErrVenueNotFound,
// ErrSeatsNotFound if the venue has none of them, or ErrSeatsInUse with the seats that a show or the history of a
// booking needs, and then deletes none.
func (c *Catalog) DeleteSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (deleted, inUse []domain.Seat, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		if err := c.store.LockVenues(ctx, venueID); err != nil {
			return err
		}
		deleted, inUse, err = c.store.DeleteSeats(ctx, venueID, places)
		switch {
		case err != nil:
			return err
		case len(inUse) > 0:
			return domain.ErrSeatsInUse
		case len(deleted) == 0:
			return domain.ErrSeatsNotFound
		}
		return nil
	})
	return deleted, inUse, err
}
