package main

import (
	"context"

	"github.com/go-redis/redis/v8"
)

func fillRedis8(k *keeper) func() {
	client := redis.NewClient(&redis.Options{Addr: k.listen(serveRedis), PoolSize: 20,
		MaxRetries: -1, ReadTimeout: -1})
	take := func() func() {
		c := client.Conn(context.Background())
		must(c.Ping(context.Background()).Err())
		return func() { c.Close() }
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"redis8", fillRedis8}) }
