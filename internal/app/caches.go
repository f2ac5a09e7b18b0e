package app

import (
	"time"

	"evently/internal/config"
	"evently/internal/repository"
	"evently/internal/respcache"
	"evently/internal/seatmap"
)

// caches are the responses kept in memory.
type caches struct {
	seatMaps *seatmap.Cache
	shows    *respcache.Cache
	reports  *respcache.Cache
}

func newCaches(cfg config.Cache, store *repository.Store) caches {
	responses := func(maxAge time.Duration) *respcache.Cache {
		return respcache.New(respcache.Options{MaxAge: maxAge, MaxBytes: cfg.ListBytes, Now: time.Now})
	}
	return caches{
		seatMaps: seatmap.New(store, seatmap.Options{MaxAge: cfg.MaxAge, MaxBytes: cfg.SeatMapBytes, Now: time.Now}),
		shows:    responses(cfg.MaxAge),
		reports:  responses(cfg.AnalyticsMaxAge),
	}
}
