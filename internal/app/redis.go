package app

import (
	"context"
	"errors"

	"evently/internal/rediskit"
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

// isRedisOutage reports the errors of an outage of Redis, which its client logs.
func isRedisOutage(err error) bool { return errors.Is(err, rediskit.ErrUnavailable) }

type pinger struct{ redis *rediskit.Client }

func (p pinger) Ping(ctx context.Context) error { return p.redis.Ping(ctx).Err() }
