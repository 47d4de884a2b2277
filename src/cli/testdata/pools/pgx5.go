package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

func fillPgx5(k *keeper) func() {
	config, err := pgxpool.ParseConfig("postgres://u:p@" + k.listen(servePostgres) +
		"/d?sslmode=disable&pool_max_conns=20")
	must(err)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	must(err)
	take := func() func() {
		c, err := pool.Acquire(context.Background())
		must(err)
		return c.Release
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"pgx5", fillPgx5}) }
