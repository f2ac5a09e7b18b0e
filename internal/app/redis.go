package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/config"
)

// redisBackoff is the longest pause before the one retry of a command.
const redisBackoff = 20 * time.Millisecond

// OpenRedis gives a client of the Redis, or with several addresses the Redis Cluster, of cfg.
// User, password, database and TLS are those of the first address. It does not connect yet, and
// fails only on a URL that cannot be read.
func OpenRedis(cfg config.Redis) (redis.UniversalClient, error) {
	var o redis.UniversalOptions
	for i, part := range cfg.URL.Parts() {
		parsed, err := redis.ParseURL(part)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: address %d cannot be read", i+1) // err may hold the password
		}
		if i == 0 {
			o.Username, o.Password, o.DB, o.TLSConfig = parsed.Username, parsed.Password, parsed.DB, parsed.TLSConfig
		}
		o.Addrs = append(o.Addrs, parsed.Addr)
	}
	if len(o.Addrs) > 1 && o.DB != 0 {
		return nil, errors.New("REDIS_URL: a cluster has only database 0")
	}
	o.ClientName = "evently"
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
	o.ContextTimeoutEnabled = true
	// What is in Redis may be lost, so it is not worth many attempts.
	o.MaxRetries = 1
	o.MaxRetryBackoff = redisBackoff
	o.DialerRetries = 1
	o.MinIdleConns = 1
	return redis.NewUniversalClient(&o), nil
}

// redisPinger asks Redis for a sign of life.
type redisPinger struct{ client redis.UniversalClient }

// Ping asks once.
func (p redisPinger) Ping(ctx context.Context) error { return p.client.Ping(ctx).Err() }
