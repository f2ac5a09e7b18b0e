package app

import (
	"context"
	"time"

	"evently/internal/cache"
	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/repository"
	"evently/internal/service"
)

// renewal is the share of the greatest age from which what is kept is asked for again beside a request,
// in hundredths: as long as somebody asks now and then, nobody waits.
const renewal = 70

// reportRenewal is the share of a report's greatest age from which it is renewed while the old one
// is still given: as long as somebody asks now and then, nobody waits.
const reportRenewal = 3

// answers are the answers that are kept in memory.
type answers struct {
	seatMaps *cache.SeatMaps
	shows    *cache.Answers
	reports  *cache.Answers
}

func newAnswers(cfg config.Cache, store *repository.Store) *answers {
	return &answers{
		seatMaps: cache.NewSeatMaps(store, handler.AppendSeats, cache.Options{
			MaxAge: cfg.MaxAge, RenewAfter: cfg.MaxAge * renewal / 100, MaxBytes: cfg.SeatMapBytes, Now: time.Now,
		}),
		shows: cache.NewAnswers(cache.Options{
			MaxAge: cfg.MaxAge, RenewAfter: cfg.MaxAge * renewal / 100, MaxBytes: cfg.ListBytes, Now: time.Now,
		}),
		reports: cache.NewAnswers(cache.Options{
			MaxAge: cfg.AnalyticsMaxAge, RenewAfter: cfg.AnalyticsMaxAge / reportRenewal, MaxBytes: cfg.ListBytes, Now: time.Now,
		}),
	}
}

// close waits for the renewals that are under way.
func (a *answers) close() {
	a.seatMaps.Close()
	a.shows.Close()
	a.reports.Close()
}

// showsChanged has seat maps and lists read again.
func (a *answers) showsChanged() {
	a.seatMaps.Forget()
	a.shows.Forget()
}

// freshCatalog is the store of the catalog, whose changes of what lists and maps tell show at once.
// The other statements are about what no show has yet.
type freshCatalog struct {
	service.CatalogStore
	answers *answers
}

// InTx implements service.CatalogStore.
func (c freshCatalog) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := c.CatalogStore.InTx(ctx, fn)
	c.answers.showsChanged()
	return err
}

// UpdateVenue implements service.CatalogStore.
func (c freshCatalog) UpdateVenue(ctx context.Context, id int64, change domain.VenueChange) (domain.Venue, error) {
	venue, err := c.CatalogStore.UpdateVenue(ctx, id, change)
	c.answers.showsChanged()
	return venue, err
}

// UpdateEvent implements service.CatalogStore.
func (c freshCatalog) UpdateEvent(ctx context.Context, id int64, title string) (domain.Event, error) {
	event, err := c.CatalogStore.UpdateEvent(ctx, id, title)
	c.answers.showsChanged()
	return event, err
}
