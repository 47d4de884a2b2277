// Command go-notify runs jobs whose progress users follow through Redis.
//
// It shows: a Pub/Sub connection for each job, of which those of cancelled jobs stay. Such a connection belongs to no
// pool; the client's ordinary commands go on through its pool as if nothing were wrong.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"shop.test/victims/go-notify/jobs"
	"shop.test/victims/internal/traffic"
)

func main() {
	address := flag.String("redis", "127.0.0.1:6379", "Redis")
	options := traffic.Parse(50, 25)
	ctx, stop := options.Context()
	defer stop()

	client := redis.NewClient(&redis.Options{Addr: *address, PoolSize: 10, MaxIdleConns: 4})
	defer client.Close()
	traffic.Must(client.Ping(ctx).Err())

	board := jobs.NewBoard(client, options.Fixed)
	options.Drive(ctx, 2, func(n int) {
		id := fmt.Sprintf("job-%d", n)
		var err error
		switch {
		case n%5 != 4:
			err = board.Progress(ctx, id, n%100)
		case options.Rare(n):
			err = board.Run(ctx, jobs.Job{ID: id, Cancelled: true})
		default:
			err = board.Run(ctx, jobs.Job{ID: id})
		}
		if err != nil && !errors.Is(err, jobs.ErrCancelled) && ctx.Err() == nil {
			slog.Error("job failed", "err", err)
		}
	})
}
