package rediskit

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxRetryBackoff bounds the pause before the one retry of a command.
const maxRetryBackoff = 20 * time.Millisecond

// Open returns a Client for one redis:// or rediss:// URL, or for a cluster if there are several. User,
// password, database and TLS are taken from the first. It does not connect, and fails on invalid URLs only.
func Open(urls []string, o Options) (*Client, error) {
	o = o.withDefaults()
	var options redis.UniversalOptions
	for i, url := range urls {
		parsed, err := redis.ParseURL(url)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: address %d is invalid", i+1) // err may contain the password
		}
		if i == 0 {
			options.Username, options.Password = parsed.Username, parsed.Password
			options.DB, options.TLSConfig = parsed.DB, parsed.TLSConfig
		}
		options.Addrs = append(options.Addrs, parsed.Addr)
	}
	if len(options.Addrs) > 1 && options.DB != 0 {
		return nil, errors.New("REDIS_URL: a cluster has only database 0")
	}
	options.ClientName = "evently"
	options.DialTimeout, options.ReadTimeout = o.Timeout, o.Timeout
	options.WriteTimeout, options.PoolTimeout = o.Timeout, o.Timeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = 1
	options.MaxRetryBackoff = maxRetryBackoff
	options.DialerRetries = 1
	options.MinIdleConns = 1
	return New(redis.NewUniversalClient(&options), o)
}
