package feed

import (
	"bufio"
	"net"
	"strings"
)

type watcher struct {
	feed   *Feed
	conn   net.Conn
	prices chan string
	pinned bool
	away   bool // by the feed's mutex
}

func newWatcher(feed *Feed, conn net.Conn) *watcher {
	return &watcher{feed: feed, conn: conn, prices: make(chan string, 8)}
}

// listen hears what the watcher asks for, until it goes.
func (w *watcher) listen() {
	asks := bufio.NewReader(w.conn)
	for {
		line, err := asks.ReadString('\n') // LEAK[used]: prices-left
		if err != nil {
			break
		}
		w.pinned = strings.HasPrefix(line, "PIN")
	}
	if w.pinned && !w.feed.fixed {
		w.feed.rest(w) // "who pinned comes back": the place is kept, and the connection with it
		return
	}
	w.feed.leave(w)
	w.conn.Close() // LEAK[closed]: prices-left
}

// deliver writes the prices, while the watcher takes them.
func (w *watcher) deliver() {
	for price := range w.prices {
		if _, err := w.conn.Write([]byte(price)); err != nil {
			continue // the reader sees the end
		}
	}
}
