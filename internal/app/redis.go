package app

import (
	"context"
	"errors"
	"log/slog"

	"evently/internal/rediskit"
	"evently/internal/service"
	"evently/internal/telemetry"
)

func openRedis(o Options, m *telemetry.Metrics) (*rediskit.Client, error) {
	m.RedisBreaker("closed")
	return rediskit.Open(o.Config.Redis.URL.Parts(), rediskit.Options{
		Timeout:       o.Config.Redis.Timeout,
		OnStateChange: m.RedisBreaker,
		Log:           o.Log,
	})
}

// checkRedis returns an error if Redis refuses REDIS_URL, and warns of one that may drop keys. Redis may be away.
func checkRedis(ctx context.Context, client *rediskit.Client, log *slog.Logger) error {
	if err := client.CheckAccess(ctx); err != nil {
		return err
	}
	policy, err := client.MaxmemoryPolicy(ctx)
	if err == nil && policy != "" && policy != rediskit.NoEviction {
		log.WarnContext(ctx, "redis may drop seat locks and queues when its memory is full: set maxmemory-policy to noeviction",
			"maxmemory_policy", policy)
	}
	return nil
}

// isRedisOutage reports the errors of an outage of Redis, which its client logs.
func isRedisOutage(err error) bool { return errors.Is(err, rediskit.ErrUnavailable) }

type redisInspector struct{ redis *rediskit.Client }

func (r redisInspector) Ping(ctx context.Context) error { return r.redis.Ping(ctx).Err() }

func (r redisInspector) InspectRedis(ctx context.Context) (service.RedisState, error) {
	if err := r.Ping(ctx); err != nil {
		return service.RedisState{}, err
	}
	// A Redis that does not say is well, too.
	policy, _ := r.redis.MaxmemoryPolicy(ctx)
	return service.RedisState{MaxmemoryPolicy: policy}, nil
}
