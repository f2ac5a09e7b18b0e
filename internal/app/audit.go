package app

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/rediskit"
	"evently/internal/repository"
	"evently/internal/seatlock"
	"evently/internal/service"
)

// NewAudit returns an audit over stores that the caller closes. Without a Redis client it does not check seat locks.
// A Grace of 0 is the longest that the cleanup may take, a Settle of 0 the longest that a request may take.
func NewAudit(cfg *config.Config, pool *pgxpool.Pool, client *rediskit.Client, rules service.AuditRules) *service.Audit {
	if rules.Grace <= 0 {
		rules.Grace = cfg.Booking.CleanupInterval() + cleanupTimeout
	}
	if rules.Settle <= 0 {
		rules.Settle = cfg.Database.AcquireTimeout + cfg.Database.QueryTimeout + recordTimeout(cfg.Database)
	}
	store := repository.New(pool, repository.Options{
		AcquireTimeout: cfg.Database.AcquireTimeout,
		QueryTimeout:   cfg.Database.QueryTimeout,
	})
	if client == nil {
		return service.NewAudit(store, nil, rules)
	}
	return service.NewAudit(store, seatlock.New(client), rules)
}
