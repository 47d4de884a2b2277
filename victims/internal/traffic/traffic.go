// Package traffic drives a sample service at a steady, bounded rate, as its callers would.
package traffic

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Options are the flags that every sample service shares.
type Options struct {
	Rate  float64       // operations a second, all workers together
	Every int           // one operation in this many takes the rare path
	For   time.Duration // how long to run; 0 is until SIGTERM
	Fixed bool          // the healthy twin: the same traffic, the bug repaired
}

// Parse registers the shared flags beside the service's own, and reads the command line.
func Parse(rate float64, every int) *Options {
	o := &Options{}
	flag.Float64Var(&o.Rate, "rate", rate, "operations a second")
	flag.IntVar(&o.Every, "every", every, "one operation in this many takes the rare path")
	flag.DurationVar(&o.For, "for", 0, "how long to run; 0 is until SIGTERM")
	flag.BoolVar(&o.Fixed, "fixed", false, "run with the bug repaired")
	flag.Parse()
	return o
}

// Context ends at SIGTERM, SIGINT or when the time is up.
func (o *Options) Context() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if o.For == 0 {
		return ctx, stop
	}
	ctx, cancel := context.WithTimeout(ctx, o.For)
	return ctx, func() { cancel(); stop() }
}

// Rare says whether operation n takes the rare path.
func (o *Options) Rare(n int) bool { return n%o.Every == o.Every-1 }

// Drive runs the operation from some workers until ctx ends.
func (o *Options) Drive(ctx context.Context, workers int, operation func(n int)) {
	var count atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			ticker := time.NewTicker(time.Duration(float64(workers) / o.Rate * float64(time.Second)))
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					operation(int(count.Add(1)))
				}
			}
		})
	}
	fmt.Println("ready")
	group.Wait()
}

// Must ends the service with a message when it cannot start.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start:", err)
		os.Exit(1)
	}
}
