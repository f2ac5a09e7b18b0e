package service

import (
	"context"

	"evently/internal/domain"
)

// CreateShow makes a show that has every seat of its venue; the id and the time of creation are
// not read from show. A start in the past is accepted: such a show is listed nowhere and cannot
// be booked. ErrEndNotAfterStart, ErrVenueNotFound, ErrEventNotFound; ErrVenueBusy when the
// venue has another show at that time.
func (c *Catalog) CreateShow(ctx context.Context, show domain.Show) (created domain.Show, err error) {
	// The database knows this too; but what is wrong by itself is told before what is not there.
	if !show.EndTime.After(show.StartTime) {
		return domain.Show{}, domain.ErrEndNotAfterStart
	}
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		if err := c.store.LockVenues(ctx, show.VenueID); err != nil {
			return err
		}
		created, err = c.store.InsertShow(ctx, show)
		return err
	})
	return created, err
}

// UpdateShow changes a show and gives it as it is then. With another venue it has that venue's
// seats. ErrShowNotFound, ErrVenueNotFound, ErrEventNotFound, ErrEndNotAfterStart, ErrVenueBusy;
// ErrShowHasBookings while somebody holds or has bought a seat, even if nothing would change.
func (c *Catalog) UpdateShow(ctx context.Context, id int64, change domain.ShowChange) (updated domain.Show, err error) {
	err = c.store.InLongTx(ctx, func(ctx context.Context) error {
		show, err := c.lockForChange(ctx, id, change.VenueID)
		if err != nil {
			return err
		}
		if err := c.requireUnbooked(ctx, id); err != nil {
			return err
		}
		updated = change.Apply(show)
		if err := c.store.UpdateShow(ctx, updated); err != nil {
			return err
		}
		// A show that had started did not get the seats that were added since; now it may be
		// one to come again.
		if change.VenueID != nil || change.StartTime != nil {
			return c.store.FitShowSeats(ctx, id)
		}
		return nil
	})
	c.maps.Forget(id)
	return updated, err
}

// DeleteShow deletes a show. One that was ever booked stays visible in the history of its
// bookings, and there alone. ErrShowNotFound; ErrShowHasBookings while somebody holds or has
// bought a seat.
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
	c.maps.Forget(id)
	return err
}

// lockForChange locks the venue that the show is in, the one it is to go to, and then the show.
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
		// It was moved between the two statements. Its venue is locked out of order now; should
		// that end in a deadlock, InTx starts again.
		return show, c.store.LockVenues(ctx, show.VenueID)
	}
	return show, nil
}

// requireUnbooked gives ErrShowHasBookings while the show, which the caller has locked, has
// live bookings. The holds whose time is over go first: that waits for whoever is confirming
// one of them this moment, so that it counts as the confirmed booking that it becomes.
func (c *Catalog) requireUnbooked(ctx context.Context, showID int64) error {
	if err := c.store.CancelExpiredHoldsOfShow(ctx, showID); err != nil {
		return err
	}
	booked, err := c.store.ShowHasLiveBookings(ctx, showID)
	if err != nil {
		return err
	}
	if booked {
		return domain.ErrShowHasBookings
	}
	return nil
}
