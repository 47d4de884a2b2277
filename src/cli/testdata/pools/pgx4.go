package main

import (
	"context"

	"github.com/jackc/pgx/v4/pgxpool"
)

func fillPgx4(k *keeper) func() {
	pool, err := pgxpool.Connect(context.Background(), "postgres://u:p@"+k.listen(servePostgres)+
		"/d?sslmode=disable&pool_max_conns=20")
	must(err)
	take := func() func() {
		c, err := pool.Acquire(context.Background())
		must(err)
		return c.Release
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"pgx4", fillPgx4}) }
