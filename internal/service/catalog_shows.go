package service

import (
	"context"

	"evently/internal/domain"
)

// CreateShow creates a show with every seat of its venue. It returns an error of Show.CheckTimes, ErrVenueNotFound,
// ErrEventNotFound, or ErrVenueBusy if the venue has another show at that time.
func (c *Catalog) CreateShow(ctx context.Context, show domain.Show) (created domain.Show, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		now, err := c.store.Now(ctx)
		if err != nil {
			return err
		}
		if err := show.CheckTimes(domain.Show{}, now); err != nil {
			return err
		}
		if err := c.store.LockVenues(ctx, show.VenueID); err != nil {
			return err
		}
		created, err = c.store.InsertShow(ctx, show)
		return err
	})
	return created, err
}

// UpdateShow changes a show and returns it. It returns ErrShowNotFound, ErrVenueNotFound, ErrEventNotFound, an error of
// Show.CheckTimes, ErrVenueBusy, or ErrShowHasBookings while a seat is held or booked, even if nothing would
// change.
func (c *Catalog) UpdateShow(ctx context.Context, id int64, change domain.ShowChange) (updated domain.Show, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		show, err := c.lockForChange(ctx, id, change.VenueID)
		if err != nil {
			return err
		}
		if err := c.requireUnbooked(ctx, id); err != nil {
			return err
		}
		now, err := c.store.Now(ctx)
		if err != nil {
			return err
		}
		updated = change.Apply(show)
		if err := updated.CheckTimes(show, now); err != nil {
			return err
		}
		if err := c.store.UpdateShow(ctx, updated); err != nil {
			return err
		}
		// A show that had started did not get the seats that were added since. It may start later now.
		if change.VenueID != nil || change.StartTime != nil {
			return c.store.FitShowSeats(ctx, id)
		}
		return nil
	})
	c.maps.Forget(id)
	return updated, err
}

// DeleteShow deletes a show with the bookings that were never paid, and closes its waiting room. It returns
// ErrShowNotFound, or ErrShowHasBookings while a seat is held or booked.
func (c *Catalog) DeleteShow(ctx context.Context, id int64) error {
	err := c.store.InLongTx(ctx, func(ctx context.Context) error {
		if _, err := c.store.LockShow(ctx, id); err != nil {
			return err
		}
		if err := c.requireUnbooked(ctx, id); err != nil {
			return err
		}
		return c.store.DeleteShow(ctx, id)
	})
	c.maps.Forget(id) // also after an error: the outcome of a commit may be unknown
	if err != nil || c.rooms == nil {
		return err
	}
	// The show is deleted, whatever becomes of its waiting room.
	if err := c.rooms.Close(context.WithoutCancel(ctx), id); err != nil {
		c.log.WarnContext(ctx, "waiting room of a deleted show not closed", "show_id", id, "error", err.Error())
	}
	return nil
}

func (c *Catalog) lockForChange(ctx context.Context, id int64, target *int64) (domain.Show, error) {
	venue, err := c.store.ShowVenue(ctx, id)
	if err != nil {
		return domain.Show{}, err
	}
	venues := []int64{venue}
	if target != nil && *target != venue {
		venues = append(venues, *target)
	}
	if err := c.store.LockVenues(ctx, venues...); err != nil {
		return domain.Show{}, err
	}
	show, err := c.store.LockShow(ctx, id)
	if err != nil {
		return domain.Show{}, err
	}
	if show.VenueID != venue {
		// The show was moved between the two statements. Locking its venue now is out of order; InTx runs again
		// after a deadlock.
		return show, c.store.LockVenues(ctx, show.VenueID)
	}
	return show, nil
}

// requireUnbooked returns ErrShowHasBookings if the show, which the caller has locked, has live bookings. It ends
// the expired holds first, which waits for one that is being confirmed, so that it counts as confirmed.
func (c *Catalog) requireUnbooked(ctx context.Context, showID int64) error {
	holds, err := c.store.LoadExpiredHolds(ctx, showID)
	if err != nil {
		return err
	}
	ends := make([]domain.Transition, len(holds))
	for i, hold := range holds {
		ends[i] = hold.End()
	}
	c.store.Save(ctx, ends...)
	booked, err := c.store.ShowHasLiveBookings(ctx, showID)
	if err != nil {
		return err
	}
	if booked {
		return domain.ErrShowHasBookings
	}
	return nil
}
