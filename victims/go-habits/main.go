// Command go-habits is a healthy service with every habit that looks like a leak to a tool that only counts:
// connections that are open for long, idle for long, silent for long, or grow for a while and then stop.
//
// Nothing leaks here; there is no bug to switch off.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"shop.test/victims/internal/traffic"
)

// habit runs until ctx ends; a stage of it that takes long is multiplied by scale.
type habit struct {
	name string
	run  func(ctx context.Context, s *service) error
}

var habits = []habit{
	{"keepalive", keepAlive},
	{"twopools", twoPools},
	{"longpoll", longPoll},
	{"stream", stream},
	{"sockets", sockets},
	{"vanish", vanish},
	{"warmup", warmUp},
	{"cache", fileCache},
	{"listen", listen},
	{"surplus", surplus},
	{"day", day},
	{"restart", restart},
	{"idletimeout", idleTimeout},
}

type service struct {
	postgres string
	scale    float64
}

// span is a time of the service's life, made shorter or longer as a whole by --scale.
func (s *service) span(d time.Duration) time.Duration { return time.Duration(float64(d) * s.scale) }

func main() {
	s := &service{}
	flag.StringVar(&s.postgres, "postgres", "postgres://shop@127.0.0.1:5432/shop?sslmode=disable", "the database")
	flag.Float64Var(&s.scale, "scale", 1, "factor on every idle time, period and growth time")
	only := flag.String("only", "", "run these habits only, separated by commas")
	options := traffic.Parse(40, 20)
	ctx, stop := options.Context()
	defer stop()

	chosen := strings.Split(*only, ",")
	done := make(chan struct{})
	running := 0
	for _, h := range habits {
		if *only != "" && !slices.Contains(chosen, h.name) {
			continue
		}
		running++
		go func() {
			defer func() { done <- struct{}{} }()
			if err := h.run(ctx, s); err != nil && ctx.Err() == nil {
				slog.Error("habit failed", "habit", h.name, "err", err)
				os.Exit(1)
			}
		}()
	}
	fmt.Println("ready")
	for range running {
		<-done
	}
}

// every calls do once a period until ctx ends or it fails.
func every(ctx context.Context, period time.Duration, do func(n int) error) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := do(n); err != nil {
				return err
			}
		}
	}
}
