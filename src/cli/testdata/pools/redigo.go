package main

import "github.com/gomodule/redigo/redis"

func fillRedigo(k *keeper) func() {
	address := k.listen(serveRedis)
	pool := &redis.Pool{
		MaxIdle: 10,
		Dial:    func() (redis.Conn, error) { return redis.Dial("tcp", address) },
	}
	take := func() func() {
		c := pool.Get()
		_, err := c.Do("PING")
		must(err)
		return func() { c.Close() }
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"redigo", fillRedigo}) }
