// Package alerts follows shares for visitors.
package alerts

import "context"

// Board shows shares.
type Board struct {
	Feed    string
	Service context.Context
	Fixed   bool
}

// Look shows a share, and follows it for as long as the visit lasts.
func (b *Board) Look(visit context.Context, share int, suspended bool) {
	if suspended {
		b.follow(visit, share)
	} else {
		b.quote(share)
	}
	<-visit.Done()
}

func (b *Board) quote(share int) {
	line, err := open(b.Feed)
	if err != nil {
		return
	}
	defer line.close()
	line.ask("GET share-%d", share)
}

// follow subscribes to what is not traded now: it may be again.
func (b *Board) follow(visit context.Context, share int) {
	until := b.Service
	if b.Fixed {
		until = visit
	}
	go func() {
		line, err := open(b.Feed) // LEAK[opened,used,held]: alerts-follow
		if err != nil {
			return
		}
		defer line.close()                                      // LEAK[closed,used,held]: alerts-follow
		if err := line.ask("SUB share-%d", share); err != nil { // LEAK[used,held]: alerts-follow
			return
		}
		select { // LEAK[held]: alerts-follow
		case <-until.Done(): // LEAK[held]: alerts-follow
		}
	}()
}
