// Package feed hands every price to everybody who watches it.
package feed

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Feed knows its watchers.
type Feed struct {
	fixed    bool
	mutex    sync.Mutex
	watchers map[*watcher]struct{}
}

func New(fixed bool) *Feed { return &Feed{fixed: fixed, watchers: map[*watcher]struct{}{}} }

// Serve accepts watchers until the listener is closed.
func (f *Feed) Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		w := newWatcher(f, conn)
		f.enter(w)
		go w.listen()
		go w.deliver()
	}
}

// Quote makes a price at every beat. Who does not take it in time misses it.
func (f *Feed) Quote(ctx context.Context, beat time.Duration) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.publish(fmt.Sprintf("EUR %d.%02d\n", 1+n%3, n%100))
		}
	}
}

func (f *Feed) publish(price string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for w := range f.watchers {
		if w.away {
			continue
		}
		select {
		case w.prices <- price:
		default:
		}
	}
}

func (f *Feed) enter(w *watcher) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.watchers[w] = struct{}{}
}

// rest keeps the place of a watcher without prices, until it comes back.
func (f *Feed) rest(w *watcher) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	w.away = true
}

// leave ends the delivery to a watcher.
func (f *Feed) leave(w *watcher) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	delete(f.watchers, w)
	close(w.prices)
}
