package app

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/rediskit"
	"evently/internal/repository"
	"evently/internal/seatlock"
	"evently/internal/service"
)

// AuditOptions are the tolerances and the limit of an audit.
type AuditOptions struct {
	Grace  time.Duration // 0 is the longest that the cleanup may take
	Settle time.Duration // 0 is the longest that a request may take
	Limit  int           // violations of each check
}

// NewAudit returns an audit over stores that the caller closes. Without a Redis client it does not check seat locks.
func NewAudit(cfg *config.Config, pool *pgxpool.Pool, client *rediskit.Client, o AuditOptions) *service.Audit {
	if o.Grace <= 0 {
		o.Grace = cfg.Booking.CleanupInterval() + cleanupTimeout
	}
	if o.Settle <= 0 {
		o.Settle = cfg.Database.AcquireTimeout + cfg.Database.QueryTimeout + recordTimeout(cfg.Database)
	}
	store := repository.New(pool, repository.Options{
		AcquireTimeout: cfg.Database.AcquireTimeout,
		QueryTimeout:   cfg.Database.QueryTimeout,
	})
	rules := service.AuditRules{Grace: o.Grace, Limit: o.Limit, Settle: o.Settle}
	if client == nil {
		return service.NewAudit(store, nil, rules)
	}
	return service.NewAudit(store, seatlock.New(client), rules)
}
