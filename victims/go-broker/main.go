// Command go-broker publishes what happens in a shop to a message broker, one session for each batch.
//
// It shows: a dial whose handshake fails. The session's reader goroutine has started by then; it waits for ever, and
// keeps the connection.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"shop.test/victims/go-broker/broker"
	"shop.test/victims/internal/traffic"
)

func main() {
	address := flag.String("broker", "127.0.0.1:4100", "the broker")
	options := traffic.Parse(50, 25)
	ctx, stop := options.Context()
	defer stop()

	options.Drive(ctx, 2, func(n int) {
		token := "fresh"
		if options.Rare(n) {
			token = "stale" // the vault was slow to renew it
		}
		publisher := publisher{address: *address, token: token, fixed: options.Fixed}
		err := publisher.publish("orders", fmt.Sprintf("order %d placed", n), fmt.Sprintf("order %d paid", n))
		if err != nil && !errors.Is(err, broker.ErrRefused) {
			slog.Error("publish failed", "err", err)
		}
	})
}

type publisher struct {
	address, token string
	fixed          bool
}

// publish sends the messages in a session of their own.
func (p *publisher) publish(topic string, messages ...string) error {
	session, err := broker.Connect(p.address, p.token, p.fixed)
	if err != nil {
		return err
	}
	defer session.Close()
	for _, message := range messages {
		if err := session.Publish(topic, message); err != nil {
			return err
		}
	}
	return nil
}
