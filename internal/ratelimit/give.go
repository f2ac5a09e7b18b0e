package ratelimit

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed give.lua
	giveSource string
	giveScript = redis.NewScript(giveSource)
)

// Give gives a request back that Take took from a budget. While Redis is unavailable it goes to the budget
// in memory.
func (l *Limiter) Give(ctx context.Context, b Budget) {
	if b.Limit.Off() {
		return
	}
	err := giveScript.Run(ctx, l.client, []string{b.key()}, b.Limit.Requests, b.Limit.Per.Microseconds()).Err()
	if err != nil {
		l.local.give(b)
	}
}

// rememberFor is how long a pair is remembered since it was last told.
const rememberFor = 90 * 24 * time.Hour

// Remember remembers that a subject was seen in a place.
func (l *Limiter) Remember(ctx context.Context, subject, place string) {
	key := seenKey(subject, place)
	if l.client.Set(ctx, key, 1, rememberFor).Err() != nil {
		l.local.remember(key)
	}
}

// Remembers reports whether a subject was seen in a place. While Redis is unavailable it knows what this
// instance was told since.
func (l *Limiter) Remembers(ctx context.Context, subject, place string) bool {
	key := seenKey(subject, place)
	n, err := l.client.Exists(ctx, key).Result()
	if err != nil {
		return l.local.remembers(key)
	}
	return n > 0
}

func seenKey(subject, place string) string { return "seen:{" + subject + "}:" + place }
