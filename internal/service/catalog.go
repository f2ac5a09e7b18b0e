package service

import (
	"context"

	"evently/internal/domain"
)

// VenueStore keeps venues and their seats.
type VenueStore interface {
	// LockVenues keeps the seats of these venues, and the shows in them, as they are for others
	// until the transaction ends. ErrVenueNotFound when one is not there.
	LockVenues(ctx context.Context, ids ...int64) error
	InsertVenue(ctx context.Context, name, address string) (domain.Venue, error)
	ListVenues(ctx context.Context, afterID int64, limit int) ([]domain.Venue, error)
	Venue(ctx context.Context, id int64) (domain.Venue, error)
	UpdateVenue(ctx context.Context, id int64, change domain.VenueChange) (domain.Venue, error)
	DeleteVenue(ctx context.Context, id int64) error
	VenueSeats(ctx context.Context, venueID int64) ([]domain.Seat, error)
	InsertSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (added int, err error)
	DeleteSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (deleted, inUse []domain.Seat, err error)
}

// EventStore keeps events.
type EventStore interface {
	InsertEvent(ctx context.Context, title string) (domain.Event, error)
	ListEvents(ctx context.Context, afterID int64, limit int) ([]domain.Event, error)
	Event(ctx context.Context, id int64) (domain.Event, error)
	UpdateEvent(ctx context.Context, id int64, title string) (domain.Event, error)
	DeleteEvent(ctx context.Context, id int64) error
}

// ShowAdminStore keeps shows as those who plan them see them.
type ShowAdminStore interface {
	InsertShow(ctx context.Context, show domain.Show) (domain.Show, error)
	// ShowVenue gives the venue that a show is in.
	ShowVenue(ctx context.Context, id int64) (venueID int64, err error)
	// LockShow gives a show that nobody else can book, change or delete until the transaction ends.
	LockShow(ctx context.Context, id int64) (domain.Show, error)
	UpdateShow(ctx context.Context, show domain.Show) error
	FitShowSeats(ctx context.Context, id int64) error
	CancelExpiredHoldsOfShow(ctx context.Context, id int64) error
	ShowHasLiveBookings(ctx context.Context, id int64) (bool, error)
	// DeleteShow deletes a show, or hides it when its bookings' history needs it.
	DeleteShow(ctx context.Context, id int64) error
}

// CatalogStore is what Catalog needs of the database.
type CatalogStore interface {
	VenueStore
	EventStore
	ShowAdminStore
	// InTx runs fn in one transaction, anew after a deadlock.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// InLongTx is InTx for work on many rows.
	InLongTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// SeatMaps caches the seat maps of shows. It is told after each commit that changes one.
type SeatMaps interface {
	// Forget drops the map of a show.
	Forget(showID int64)
	// Reset drops all maps.
	Reset()
}

// Catalog is what admins do with venues, seats, events and shows.
//
// Two locks keep every show with exactly the seats of its venue: the row of the venue, which
// whoever changes its seats or its shows takes, and the row of the show, which whoever changes
// the show takes and whoever books it shares. The venue comes first, then the show, then its
// bookings, then its seats; and what depends on the lock is read by a later statement than the
// one that takes it, for a statement sees nothing that was committed after it began.
type Catalog struct {
	store CatalogStore
	maps  SeatMaps
}

// NewCatalog returns a Catalog over store that keeps maps up to date.
func NewCatalog(store CatalogStore, maps SeatMaps) *Catalog {
	return &Catalog{store: store, maps: maps}
}

// CreateVenue makes a venue without seats.
func (c *Catalog) CreateVenue(ctx context.Context, name, address string) (domain.Venue, error) {
	return c.store.InsertVenue(ctx, name, address)
}

// ListVenues gives at most limit venues whose id is above afterID, by id, and whether there are more.
func (c *Catalog) ListVenues(ctx context.Context, afterID int64, limit int) (venues []domain.Venue, more bool, err error) {
	venues, err = c.store.ListVenues(ctx, afterID, limit+1)
	if err != nil {
		return nil, false, err
	}
	return venues[:min(limit, len(venues))], len(venues) > limit, nil
}

// Venue gives a venue and its seats, by row and number. ErrVenueNotFound.
func (c *Catalog) Venue(ctx context.Context, id int64) (domain.Venue, []domain.Seat, error) {
	venue, err := c.store.Venue(ctx, id)
	if err != nil {
		return domain.Venue{}, nil, err
	}
	seats, err := c.store.VenueSeats(ctx, id)
	return venue, seats, err
}

// UpdateVenue changes a venue and gives it as it is then. ErrVenueNotFound.
func (c *Catalog) UpdateVenue(ctx context.Context, id int64, change domain.VenueChange) (domain.Venue, error) {
	return c.store.UpdateVenue(ctx, id, change)
}

// DeleteVenue deletes a venue with its seats. ErrVenueNotFound; ErrVenueHasShows while a show,
// or the history of a booking, needs it.
func (c *Catalog) DeleteVenue(ctx context.Context, id int64) error {
	return c.store.InLongTx(ctx, func(ctx context.Context) error { return c.store.DeleteVenue(ctx, id) })
}

// AddSeats adds the seats that the venue does not have yet, to it and to each of its shows that
// has not started, and gives their number. ErrVenueNotFound.
func (c *Catalog) AddSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (added int, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		if err := c.store.LockVenues(ctx, venueID); err != nil {
			return err
		}
		added, err = c.store.InsertSeats(ctx, venueID, places)
		return err
	})
	c.maps.Reset() // also after an error: the outcome of a commit may be unknown
	return added, err
}

// DeleteSeats deletes those of the named seats that the venue has, and gives them.
// ErrVenueNotFound; ErrSeatsNotFound when it has none of them; ErrSeatsInUse, with the seats
// that a show or a booking's history needs, and then none is deleted.
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

// CreateEvent makes an event.
func (c *Catalog) CreateEvent(ctx context.Context, title string) (domain.Event, error) {
	return c.store.InsertEvent(ctx, title)
}

// ListEvents gives at most limit events whose id is above afterID, by id, and whether there are more.
func (c *Catalog) ListEvents(ctx context.Context, afterID int64, limit int) (events []domain.Event, more bool, err error) {
	events, err = c.store.ListEvents(ctx, afterID, limit+1)
	if err != nil {
		return nil, false, err
	}
	return events[:min(limit, len(events))], len(events) > limit, nil
}

// Event gives an event. ErrEventNotFound.
func (c *Catalog) Event(ctx context.Context, id int64) (domain.Event, error) {
	return c.store.Event(ctx, id)
}

// UpdateEvent gives an event another title. ErrEventNotFound.
func (c *Catalog) UpdateEvent(ctx context.Context, id int64, title string) (domain.Event, error) {
	return c.store.UpdateEvent(ctx, id, title)
}

// DeleteEvent deletes an event. ErrEventNotFound; ErrEventHasShows while a show, deleted but
// kept for its bookings or not, needs it.
func (c *Catalog) DeleteEvent(ctx context.Context, id int64) error {
	return c.store.DeleteEvent(ctx, id)
}
