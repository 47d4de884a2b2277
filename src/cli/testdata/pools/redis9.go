package main

import (
	"context"

	"github.com/redis/go-redis/v9"
)

func fillRedis9(k *keeper) func() {
	client := redis.NewClient(&redis.Options{Addr: k.listen(serveRedis), PoolSize: 20,
		MaxRetries: -1, ReadTimeout: -1})
	take := func() func() {
		c := client.Conn()
		must(c.Ping(context.Background()).Err())
		return func() { c.Close() }
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"redis9", fillRedis9}) }
